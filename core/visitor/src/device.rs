//! What a user agent says of the machine: its kind, its model, and the version of its system where that is frozen.

use regex::bytes::{Regex, RegexBuilder};
use smol_str::{SmolStr, format_smolstr};
use std::borrow::Cow;
use tfx_domain::routing::{Device, DeviceType};

/// Consoles, also those that run Android.
const CONSOLE: &str = r"playstation|\(ps[2345]\)|ps[45];|\bxbox|nintendo|\bouya|segasaturn|dreamcast|steam\ ?deck
    |gameoverlay|shield\ portable|;\ shield\ build|;\ switch(?:\ lite|\ oled)?\)|\brg(?:[345]\d\d[a-z]|556|353|505|cube)
    |retroid|anbernic|gpd\ ?xd|archos\ gamepad";

/// Watches, cars, glasses, readers, players, cameras, speakers with a screen.
const OTHER: &str = r"watch\b|watch\d|watchos|watch\ os|gear\ (?:live|s)\b|sm-r\d{3}|;\ quest\ ?[23p;)]
    |oculus|\bpico\ (?:g|neo|4)|metahorizon|teslabrowser|qtcarbrowser|carplay|automotive|aftl[a-z]*\d|echo/1|\baeo[a-z]{2}\b
    |alexamediaplayer|\bsonos|homepod|nest\ hub|\bwalkman|nw-[azs]\d|ipod\b|galaxy\ player|yp-g|ek-gc|galaxy\ camera
    |tesla/|mobile\ vr|moto\ 360|\bfiio\b|\bcowon|diofox|oilsky|mechen\ |shanling|\bxdh-|\bow\d\dw\d|\bmpc-\d|yandexstation
    |ipodtouch|devicetype/smartspeaker|airplay/|echo[;_]dot|;echo;|glass\ 1|\byt[579]\d{3}|quad-core\ (?:t3|r16)|octa-core\ t8
    |octopus-core|\bda2\d\dhq?l|\bifp\d{4}|zunehd|porsche|polestar|\baudi_|\bbenz_|byd\ auto|dilink|sda-\d+tab|8227l
    |\bdmc-cm|thor\ (?:pro|s|\d)\b|\bleo-(?:bx|dlx)|\blem\d\d|portalgo|musicpad|hmt[34]\d\d
    |coolpix|\bboox\b|\bkobo\b|kindle/\d|pocketbook/\d|\bnook/|zune\b|family\ ?hub|refrigerator|carpad";

/// Televisions, the boxes and sticks beside them, projectors. Where no name tells: a model that begins with a diagonal in
/// inches (`40LE77SM`), and the builds of Android TV, whose second letter is a T (`STTE.240315`).
const TV: &str = r"smart[-_\ ]?tv|smart\ ?hub|google\ ?tv|android\ ?tv|apple\ ?tv|\btvos|hbbtv|web0s|netcast|\broku\b|crkey
    |chromecast|bravia|\bviera|;\ ?aft[a-z]{1,6}\d*\b|\btv\ safari|\b[cd]tv\b|sonydtv|mibox|mitv|\bmi\ ?tv|mi\ box
    |tv[\ _-]?box|\bset-?top|\bstb(?:\b|[_\d])|netrange|vidaa|hi3798|vizio|smartcast|net\ ?tv|\baquos-?tv|aquosbrowser
    |philipstv|toshibatv|samsung\ ?tv|fire\ ?tv|nvidia\ shield|shield\ android|\btv\b|\btv\d\d|\btv_|_tv\b|[a-z]{3}tv\b
    |freetime|loewe|inettv|ce-html|dune\ ?hd|\bkodi|xbmc|espial|antgalio|\bsraf|nexus\ player|\badt-\d|freebox|\bbbox
    |youview|google\ fiber|\bhumax|onn\.\ ?4k|\bstick\b|projector|\btcl\ [^;)]*\bai\b|panasonic\.(?:tv|bd)
    |opera/9\.80\ \(linux\ (?:mips|armv|sh4)|linux\ mips|\bkivi|yndx-000|\bled\d\d|\d\dled|[_-]led\d|\b4k\b|\buhd|\bmxq
    |\bt95[a-z_]*\b|\bx96|[^-]\bh96|\btx[36]\b|a95x|\bhk1\b|rk3[23]\d\d|s905|s912|amlogic|\bnetbox|\btivo\b|brightsign
    |\bmecool|nexbox|\bzidoo|ugoos|beelink|\bminix|wetek|tanix|magicbox|\bbox\b|mag\d{3}|technicolor|skyworth|coocaa
    |\b(?:32|40|42|43|48|49|50|55|58|60|65|70|75|77|82|85|86)[a-z]{1,4}[-_]?\d{3,5}|hisense\ (?:hu|led|vidaa)
    |\b(?:32|40|43|50|55|65)[a-z]{2}\d\dg|\b\d\dflea|\bshell\ [a-z\d]|openbox|vinabox|smartbox|[gm][rw]-device/|onvo_
    |iconbit\ movie|\bmlt\d\d|\btle-\d\d|\btd\d\dh|\bpolar(?:line)?_|\bnexon|vontar|\bvmp-\d
    |\btdtv|\beled|mystery|\bvorke|topdevice|selenga|\binvin|transpeed|yundoo|\bhty_|formuler|flowbox|\bswtv|\bmovix|hiberg
    |sdstb|viewboard|\bhdmi\b|\biptv|espritvision|smart[-_]box|[a-z\d]box(?:[\d_\ );s]|$)|\bomi/|\batv|atv\b|[\ _]4k[\ _)]
    |pnl_|_panel|_shell|\bshell_|;\ m8s|\bneo-[xu]\d|\bvega\ s9|\bmk80\d|\bpendoo|\batom-\d{3}a|\bdlnadoc
    |;\ ?(?:[a-z]+[-_\ ]){0,2}(?:24|28|32|39|4[0-389]|50|55|58|65|7[057]|8[256])[a-z]{2,6}[-_]?\d{1,5}
    |;\ [a-z]{1,3}(?:24|32|4[023]|50|55|65|75)[a-z]\d{4}[a-z]{1,3}
    |build/(?:pi|[p-u]t[a-z]{0,2}\d?)[.;)]";
/// Phones and tablets that are called like one.
const NO_TV: &str =
    r"stv100|bntv\d|natv|\bmyt3|qtver|turbox|runbo|postbox|archos|droidz|easynote|flare|\bmya\d";

/// Tablets, whether they say "Mobile" or not.
const TABLET: &str = r"\bipad|tablet(?:$|[^\ ]|\ [^p])|kindle\ fire|playbook|touchpad|\btab\b|[a-z]tab\b|tab[\ _-]?[a-z]?\d
    |_tab\b|\btab_|\bpad\b|[mtgeordxknvci_]pad[\ \d_)]|mediapad|matepad|\bsm-[tpx]\d{3}|gt-p[1-9]\d{3}|gt-n[58]\d{3}
    |\bsch-i[89]0[05]|\bsgh-[it][49]\d7\b|\bkf[a-z]{2,6}\b|nexus\ (?:7|9|10)\b|pixel\ (?:c|tablet)\b|\btb-?[x\d]?\d{3}
    |lenovo\ ?(?:tb|yt|ideatab|yoga|b[68]000)|\byt-?[jxk]?\d
    |\b(?:ags|bah|kob|bzt|bza|bzk|jdn|sht|cmr|vrd|scm|mrx|mon|dby|got|scmr|agr|agrk|agm|ajk)\d?[krswx]?-[lwa]l?\d\d
    |\bbtv-(?:w|dl)\d|\bt1-[78]\d|xoom|transformer|\btf[123]\d\d[a-z]|\bbq-(?:[78]\d\d\d|10\d\d)|\btz\d\d|\bciti[\ _]\d{3}|readboy|nomi_c\d{5}|\bmfc\d{3}|\bccit|\bpad[\ _-]?\d|\b2\d{4}rp|\bp0[0-2][0-9a-z]\b|iplay[\ _-]?\d|hudl|iconia|\bb1-[78]\d
    |\bb3-a|\bvenue[\ _]?[78]|archos\ ?(?:7|8|9|10)\d|\bopd\d{4}|\blg-v[3-9]\d\d|\bsgp\d{3}|teclast|\btlp\d|\bp[28]\dhd
    |\b21051182|\b22081283|\b23043rp|redmi\ ?pad|vastking|chuwi|alldocube|oukitel\ ot|doogee\ [tu]\d\d|headwolf
    |\bmid[\ _-]?\d|\bqmv\d|\brct\d|\bnabi|lifetab|surftab|\bonda\b|colorfly|\bpipo|ainol|\bpm[tp]\d{4}
    |digma\ (?:plane|citi|optima)|\bplane\ \d|\boptima\ \d|irbis\ ?t[wz]|\bursus|dragon\ ?touch|fusion5|yuntab|hyundai\ koral
    |\brc\d{4}|\bqs\d{4}|\bnumy|\bbqru-?[78]|\btpc|ginzzu\ gt|htc[\ _](?:flyer|jetstream)|\bmito\ t|\bsupra\ m|andromed
    |\bhope\ ?_?\d|\birulu|\bwalpad|\bwi-?fi\b
    |viewpad|zenpad|vankyo|iball\ slide|multipad|nokia\ t\d\d|\bta-1(?:392|397|462|472|503)";

/// Computers that run Android.
const ANDROID_DESKTOP: &str = r"chromebook|pixelbook|easynote|\bnuc\d|\bwaydroid|crosarc|latitude\ |thinkpad|pavilion|inspiron|vivobook|ideacentre|\bpc;
    |travelmate|lifebook|vostro|aspire\ |elitebook|probook|satellite\ |2in1|\baio\b|optiplex";

const ANDROID: &str = r"android|andr0id|silk/|silk-accelerated|harmony|\badr\ \d";
const MOBILE: &str = r"iphone|\(iph\d|ipod|windows\ phone|mobile|phone|opera\ mini|fennec|dalvik|lumia|windows\ ce|midp|kaios|ucweb
    |\bj2me|\bbrew|nokia|symbian|series\ ?[346]0|blackberry|bb10|sonyericsson|docomo|vodafone|\bmot-|samsung-|\bsec-
    |\blg[-/][a-z]{0,2}\d|\bzte|palm|webos|\bmaui|\bmre|up\.browser|obigo|\bwap\b|openwave|netfront|\bbada|meego|profile/|cldc|mocor
    |release/|portalmmm|softbank|kddi|j-phone|sagem|sie-|alcatel|\bitel|spreadtrum|\bmtk";
/// Android's phones and apps, of which some do not say "Mobile".
const ANDROID_PHONE: &str = r"dalvik|\[fb|opera\ mini|ucbrowser|whatsapp|device/|mobile|phone|\bsm-[agnsfjmce]\d{3}
    |;\ v\d{4}[a-z]{0,2}\b|\brmx\d{4}|\bcph\d{4}|;\ pixel\ \d|redmi\ note";
const DESKTOP: &str = r"windows|\bosx\b|win\d\d|win(?:nt|\ upd|http)|os=mac|suse\b|red\ hat|cygwin|mac\ ?os|macintosh|macbook|imac|linux|x11|\bcros\b|bsd(?:\b|\d)|sunos|solaris|haiku|beos|amiga
    |os/2|irix|hp-ux|\baix\b|osf1|openvms|risc\ ?os|morphos|powerpc|ubuntu|fedora|debian|darwin";

/// What tells kinds of machines, ready to run.
pub(super) struct Kinds {
    console: Regex,
    other: Regex,
    tv: Regex,
    no_tv: Regex,
    tablet: Regex,
    android: Regex,
    android_desktop: Regex,
    android_phone: Regex,
    mobile: Regex,
    desktop: Regex,
}

impl Kinds {
    /// # Errors
    /// None, as long as the expressions above are right.
    pub(super) fn new() -> Result<Self, regex::Error> {
        let compiled = |expression| {
            RegexBuilder::new(expression)
                .unicode(false)
                .case_insensitive(true)
                .ignore_whitespace(true)
                .build()
        };
        Ok(Self {
            console: compiled(CONSOLE)?,
            other: compiled(OTHER)?,
            tv: compiled(TV)?,
            no_tv: compiled(NO_TV)?,
            tablet: compiled(TABLET)?,
            android: compiled(ANDROID)?,
            android_desktop: compiled(ANDROID_DESKTOP)?,
            android_phone: compiled(ANDROID_PHONE)?,
            mobile: compiled(MOBILE)?,
            desktop: compiled(DESKTOP)?,
        })
    }

    /// What kind of machine it is.
    pub(super) fn of(&self, user_agent: &str, os: &str) -> DeviceType {
        let says = |words: &Regex| words.is_match(user_agent.as_bytes());
        if let Some(kind) = self.by_name(user_agent.as_bytes(), os) {
            return kind;
        }
        if os == "Android" || os == "Fire OS" || says(&self.android) {
            let machine = before_engine(user_agent);
            let is_tablet =
                self.tablet.is_match(&machine) || (user_agent.contains("/apad") && !says(&self.mobile));
            return if says(&self.android_desktop) {
                DeviceType::Desktop
            } else if is_tablet {
                DeviceType::Tablet
            } else if says(&self.android_phone)
                || !user_agent.contains("AppleWebKit") && !user_agent.contains("Gecko")
            {
                DeviceType::Mobile
            } else {
                // Without "Mobile" it is a tablet: what Google asks of makers of browsers.
                DeviceType::Tablet
            };
        }
        if os == "iOS" && !user_agent.contains("iPad") {
            DeviceType::Mobile
        } else if user_agent.contains("iPad") || self.tablet.is_match(&before_engine(user_agent)) {
            DeviceType::Tablet
        } else if says(&self.mobile) {
            DeviceType::Mobile
        } else if says(&self.desktop) {
            DeviceType::Desktop
        } else {
            DeviceType::Unknown
        }
    }

    /// The kind of machine that has this model, if its name tells.
    pub(super) fn of_model(&self, model: &str) -> Option<DeviceType> {
        // As it would stand in a user agent.
        let named = format!("; {model})");
        let kind = self.by_name(named.as_bytes(), "");
        kind.or_else(|| self.tablet.is_match(named.as_bytes()).then_some(DeviceType::Tablet))
    }

    /// Consoles, televisions and others, which say what they are by name.
    fn by_name(&self, text: &[u8], os: &str) -> Option<DeviceType> {
        let is_tv = || self.tv.is_match(text) && !self.no_tv.is_match(text);
        if self.console.is_match(text) {
            Some(DeviceType::Console)
        } else if matches!(os, "WatchOS" | "watchOS" | "Wear OS") || self.other.is_match(text) {
            Some(DeviceType::Other)
        } else if matches!(os, "tvOS" | "ATV OS X" | "Chromecast" | "Roku" | "webOS TV") || is_tv() {
            Some(DeviceType::Tv)
        } else {
            None
        }
    }
}

/// What is said of the machine, without the name of its build and what follows it.
fn before_engine(user_agent: &str) -> Cow<'_, [u8]> {
    let machine = user_agent.split("AppleWebKit").next().unwrap_or(user_agent);
    let Some((before, build)) = machine.split_once(" Build/") else {
        return Cow::Borrowed(machine.as_bytes());
    };
    let after = build.find([';', ')']).map_or("", |at| &build[at..]);
    Cow::Owned([before, if after.is_empty() { ")" } else { after }].concat().into_bytes())
}

/// The model, as far as the user agent says it: `iPhone`, `SM-G991B`.
pub(super) fn model(user_agent: &str) -> SmolStr {
    for apple in ["iPhone", "iPad", "iPod"] {
        if user_agent.contains(format_smolstr!("({apple}").as_str()) {
            return SmolStr::new_static(apple);
        }
    }
    android_model(user_agent).unwrap_or_default()
}

/// `(Linux; Android 13; SM-A536B Build/TP1A)`: the last part, without the build. `K` is Chrome's way to say nothing.
fn android_model(user_agent: &str) -> Option<SmolStr> {
    let (_, rest) = user_agent.split_once("Android ")?;
    let inside = &rest[..rest.find(')')?];
    let (_, parts) = inside.split_once(';')?;
    let model = parts.split(';').map(str::trim).find(|part| {
        let locale = part.len() == 5 && matches!(part.as_bytes()[2], b'-' | b'_');
        !locale && !matches!(*part, "" | "U" | "wv" | "K" | "Mobile" | "Tablet") && !part.starts_with("rv:")
    })?;
    let model = model.split(" Build/").next().unwrap_or("").trim();
    let ok = !model.is_empty() && !model.starts_with("Build/") && model.len() <= 64;
    ok.then(|| model.into())
}

/// Mends what Apple froze: from 26 on iPhones and iPads say they run 18. The version of Safari is the system's, and
/// apps of Meta say it too. Where neither is said, what is said stays.
pub(super) fn thaw(user_agent: &str, device: &mut Device) {
    let said = |before: &str| {
        let (_, rest) = user_agent.split_once(before)?;
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(rest.len());
        let version = rest[..end].replace('_', ".");
        let major: u32 = version.split('.').next()?.parse().ok()?;
        (26..100).contains(&major).then(|| SmolStr::from(version.trim_end_matches('.')))
    };
    let frozen = device.os == "iOS" && (device.os_version == "18" || device.os_version.starts_with("18."));
    if frozen && let Some(version) = said(" Version/").or_else(|| said("FBSV/")).or_else(|| said("; iOS ")) {
        device.os_version = version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_of_an_android_device_stands_before_its_build() {
        let table = [
            ("Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit", "SM-S918B"),
            ("Mozilla/5.0 (Linux; Android 13; SM-X700 Build/TP1A.220624.014) AppleWebKit", "SM-X700"),
            ("Mozilla/5.0 (Linux; Android 13; SM-A536B Build/TP1A; wv) AppleWebKit", "SM-A536B"),
            ("Mozilla/5.0 (Linux; U; Android 4.0.3; de-de; GT-I9100 Build/IML74K) AppleWebKit", "GT-I9100"),
            ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit", ""),
            ("Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0", ""),
            ("Dalvik/2.1.0 (Linux; U; Android 8.0.0; SM-G930F Build/R16NW)", "SM-G930F"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)", "iPhone"),
            ("Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X)", "iPad"),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", ""),
            ("Android ", ""),
            ("Android ;)", ""),
            ("Android 1;ä", ""),
        ];
        for (user_agent, want) in table {
            assert_eq!(model(user_agent), want, "{user_agent}");
        }
    }

    #[test]
    fn a_machine_is_what_it_is_called() {
        let kinds = Kinds::new().expect("expressions");
        let android = |model: &str, more: &str| {
            format!(
                "Mozilla/5.0 (Linux; Android 12; {model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 {more}Safari/537.36"
            )
        };
        use DeviceType::{Console, Desktop, Mobile, Other, Tablet, Tv};
        let table = [
            ("SM-G991B", "Mobile ", Mobile),
            ("K", "Mobile ", Mobile),
            ("K", "", Tablet),
            ("SM-T500", "Mobile ", Tablet),
            ("SM-X906B Build/TP1A", "Mobile ", Tablet),
            ("Lenovo TB-X606F", "Mobile ", Tablet),
            ("KFTRWI", "Mobile ", Tablet),
            ("AGS2-L09", "Mobile ", Tablet),
            ("Pixel Tablet", "Mobile ", Tablet),
            ("Redmi Pad SE", "Mobile ", Tablet),
            ("Nexus 7", "Mobile ", Tablet),
            ("MIBOX4", "Mobile ", Tv),
            ("MIBOX3 Build/MXC89K; wv", "", Tv),
            ("Chromecast Build/STTE", "Mobile ", Tv),
            ("MiTV-MSSP0", "", Tv),
            ("AFTSSS Build/PS7233", "", Tv),
            ("AFTMM", "Mobile ", Tv),
            ("BRAVIA 4K GB", "", Tv),
            ("Smart TV Pro", "Mobile ", Tv),
            ("TCL Smart CTV", "Mobile ", Tv),
            ("Android TV DTV", "Mobile ", Tv),
            ("ADT-3", "", Tv),
            ("40LE77SM", "", Tv),
            ("Doffler 43DUS97", "Mobile ", Tv),
            ("H32F8000CG", "Mobile ", Tv),
            ("IMTM741 Build/STTC.230104.002", "Mobile ", Tv),
            ("SPYBOXS11", "", Tv),
            ("TurboX5Hero", "Mobile ", Mobile),
            ("RIVIERA F23", "Mobile ", Mobile),
            ("LG-H961S", "Mobile ", Mobile),
            ("EasyNote TV11HC", "", Desktop),
            ("STV100-2", "Mobile ", Mobile),
            ("SHIELD Android TV", "", Tv),
            ("SHIELD Portable", "", Console),
            ("RG405V", "Mobile ", Console),
            ("Quest 3", "VR ", Other),
            ("SM-R860", "Mobile ", Other),
            ("Chromebook 14", "", Desktop),
        ];
        for (model, more, want) in table {
            assert_eq!(kinds.of(&android(model, more), "Android"), want, "{model} {more}");
        }
        let table = [
            (
                "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 Chrome/79.0.3945.79 Safari/537.36 WebAppManager",
                "Linux",
                Tv,
            ),
            ("Roku/DVP-12.0 (12.0.0.4182-88)", "Roku", Tv),
            ("AppleTV11,1/11.1", "tvOS", Tv),
            ("HbbTV/1.5.1 (+DRM; Samsung; SmartTV2021; T-NKM2DEUC-1350.0; ; )", "", Tv),
            (
                "Mozilla/5.0 (Linux; Andr0id 9; BRAVIA 4K) AppleWebKit/537.36 Chrome/84.0 Safari/537.36 OPR/46.0 OMI/4.21 CTV",
                "Linux",
                Tv,
            ),
            ("Mozilla/5.0 (PlayStation 4 3.11) AppleWebKit/537.73 (KHTML, like Gecko)", "", Console),
            (
                "Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/609.4 (KHTML, like Gecko) NF/6.0.2.21.3",
                "",
                Console,
            ),
            (
                "Mozilla/5.0 (X11; GNU/Linux) AppleWebKit/601.1 (KHTML, like Gecko) Tesla QtCarBrowser Safari/601.1",
                "Linux",
                Other,
            ),
            (
                "Mozilla/5.0 (X11; U; Linux armv7l like Android; en-us) AppleWebKit/531.2+ (KHTML, like Gecko) Version/5.0 Safari/533.2+ Kindle/3.0+",
                "Linux",
                Other,
            ),
            ("Mozilla/5.0 (Windows NT 6.1; Tablet PC 2.0) like Gecko", "Windows", Desktop),
            ("Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) Mobile/15E148", "iOS", Tablet),
            ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/126", "Chrome OS", Desktop),
            ("", "", DeviceType::Unknown),
        ];
        for (user_agent, os, want) in table {
            assert_eq!(kinds.of(user_agent, os), want, "{user_agent}");
        }
        let models = [
            ("SM-T870", Some(Tablet)),
            ("Pixel 8", None),
            ("MIBOX4", Some(Tv)),
            ("Quest 2", Some(Other)),
            ("", None),
        ];
        for (model, want) in models {
            assert_eq!(kinds.of_model(model), want, "{model}");
        }
    }

    #[test]
    fn apples_frozen_version_is_read_where_the_truth_stands() {
        let table = [
            (
                "18.6",
                "(iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/26.0 Mobile/15E148 Safari/604.1",
                "26.0",
            ),
            ("18.7", "(iPad; CPU OS 18_7 like Mac OS X) Version/26.6.1 Mobile/15E148 Safari/604.1", "26.6.1"),
            (
                "18.7",
                "(iPhone; CPU iPhone OS 18_7 like Mac OS X) Version/27.1 Mobile/15E148 Safari/604.1",
                "27.1",
            ),
            (
                "18.7",
                "(iPhone; CPU iPhone OS 18_7 like Mac OS X) Mobile/15E148 [FBAN/FBIOS;FBSV/26.1;FBSS/3]",
                "26.1",
            ),
            (
                "18.7",
                "(iPhone; CPU iPhone OS 18_7 like Mac OS X) Mobile/15E148 Instagram 400.0 (iPhone17,1; iOS 26_1_1; de_DE)",
                "26.1.1",
            ),
            (
                "18.6",
                "(iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/18.6 Mobile/15E148 Safari/604.1",
                "18.6",
            ),
            (
                "18.7.1",
                "(iPhone; CPU iPhone OS 18_7_1 like Mac OS X) CriOS/141.0 Mobile/15E148 Safari/604.1",
                "18.7.1",
            ),
            (
                "17.5",
                "(iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/26.0 Mobile/15E148 Safari/604.1",
                "17.5",
            ),
            ("18.6", " Version/999999999999.0", "18.6"),
        ];
        for (os_version, user_agent, want) in table {
            let mut device = Device { os: "iOS".into(), os_version: os_version.into(), ..Device::default() };
            thaw(user_agent, &mut device);
            assert_eq!(device.os_version, want, "{user_agent}");
        }
    }
}
