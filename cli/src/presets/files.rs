//! The files of presets, as they are in the program; a test holds this list against their folders.

/// Reads files of a folder of presets into the program.
macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(include_str!(concat!("../../presets/", $folder, "/", $name, ".yaml"))),*]
    };
}

/// Affiliate networks, and platforms that networks run on.
pub(super) const NETWORKS: &[&str] = files!(
    "networks":
    "acornads"
    "adcombo"
    "affise"
    "affise-reach"
    "appcarry"
    "awin"
    "betwinner"
    "bitlabs"
    "buygoods"
    "cake"
    "clickdealer"
    "cpaexchange"
    "cpalead"
    "datacash"
    "digistore24"
    "everad"
    "everflow"
    "goaffpro"
    "impact"
    "indoleads"
    "kma"
    "kuala"
    "leadbit"
    "limonad"
    "microjoblab"
    "monetizer"
    "monlix"
    "mychips"
    "mylead"
    "paidbucksy"
    "playtimeads"
    "rapidpace"
    "scaleo"
    "terraleads"
    "trackier"
    "traffic-light"
    "tune"
    "wannads"
    "yungpoints"
    "zeydoo"
);

/// Traffic sources.
pub(super) const SOURCES: &[&str] = files!(
    "sources":
    "adcrowd"
    "adprofex"
    "adxad"
    "clickadu"
    "cm360"
    "criteo"
    "exoclick"
    "ezmob"
    "google-ads"
    "hawk"
    "kadam"
    "meta-ads"
    "mgid"
    "microsoft-ads"
    "outbrain"
    "outbrain-dsp"
    "pinterest-ads"
    "popunder-store"
    "ppcmate"
    "propellerads"
    "pushground"
    "sitescout"
    "snapchat-ads"
    "taboola"
    "tiktok-ads"
    "trafficjunky"
    "trafficstars"
    "yahoo-japan-ads"
    "yandex-direct"
    "zeropark"
);
