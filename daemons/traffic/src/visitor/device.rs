//! What a user agent and the client hints say of the machine: its kind, model, and the version of its system.

use smol_str::{SmolStr, format_smolstr};
use tfx_domain::routing::{Device, DeviceType};

/// Client hints (`Sec-CH-UA-*`), as sent. They say what frozen user agents do not any more.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hints<'h> {
    /// `Sec-CH-UA-Model`: `"Pixel 8"`.
    pub(crate) model: &'h [u8],
    /// `Sec-CH-UA-Platform-Version`: `"14.0.0"`.
    pub(crate) platform_version: &'h [u8],
    /// `Sec-CH-UA-Mobile`: `?1`.
    pub(crate) mobile: &'h [u8],
}

impl Hints<'_> {
    /// Puts what they say over what the user agent says.
    pub(crate) fn apply(&self, device: &mut Device) {
        use DeviceType::{Desktop, Mobile, Tablet, Unknown};
        if let Some(model) = quoted(self.model) {
            device.model = model.into();
        }
        if let Some(version) = quoted(self.platform_version) {
            device.os_version = platform_version(&device.os, version);
        }
        if self.mobile == b"?1" && matches!(device.device_type, Desktop | Tablet | Unknown) {
            device.device_type = Mobile;
        }
    }
}

/// The text of a structured-header string, if it has some: visible ASCII, at most 64 characters.
fn quoted(header: &[u8]) -> Option<&str> {
    let inner = header.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let ok = (1..=64).contains(&inner.len()) && inner.iter().all(|b| (0x20..0x7f).contains(b) && *b != b'"');
    std::str::from_utf8(inner).ok().filter(|_| ok)
}

/// Windows tells the version of its API contract: 13 and later is Windows 11, 1 to 12 is Windows 10, 0 is older
/// (learn.microsoft.com, "Detect Windows 11 using User-Agent Client Hints"). All others tell their own.
fn platform_version(os: &str, version: &str) -> SmolStr {
    if os != "Windows" {
        return version.into();
    }
    match version.split('.').next().and_then(|major| major.parse::<u32>().ok()) {
        Some(13..) => SmolStr::new_static("11"),
        Some(1..) => SmolStr::new_static("10"),
        _ => version.into(),
    }
}

const TV: &[&str] = &[
    "smart-tv",
    "smarttv",
    "smart_tv",
    "googletv",
    "google tv",
    "android tv",
    "appletv",
    "apple tv",
    "hbbtv",
    "web0s",
    "netcast",
    "roku",
    "crkey",
    "bravia",
    "viera",
    "; aft",
    " tv safari",
];
const CONSOLE: &[&str] = &["playstation", "xbox", "nintendo"];
const TABLET: &[&str] = &["ipad", "tablet", "kindle", "playbook"];
const MOBILE: &[&str] = &["iphone", "ipod", "windows phone", "mobile", "dalvik", "opera mini"];
const OLD_MOBILE: &[&str] = &["blackberry", "symbian", "midp"];
const DESKTOP: &[&str] = &[
    "Windows",
    "Mac OS X",
    "Mac OS",
    "Linux",
    "Chrome OS",
    "Ubuntu",
    "Fedora",
    "Debian",
    "FreeBSD",
    "OpenBSD",
    "NetBSD",
    "Red Hat",
    "SUSE",
    "Arch Linux",
    "Gentoo",
    "Linux Mint",
    "Kubuntu",
    "CentOS",
    "Solaris",
];

/// What kind of machine it is. `lower` is the user agent in lower case.
pub(crate) fn device_type(lower: &str, os: &str) -> DeviceType {
    let says = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if says(TV) {
        DeviceType::Tv
    } else if says(CONSOLE) {
        DeviceType::Console
    } else if says(TABLET) || (lower.contains("silk/") && !lower.contains("mobile")) {
        DeviceType::Tablet
    } else if says(MOBILE) {
        DeviceType::Mobile
    } else if os == "Android" {
        // Without "Mobile" it is a tablet: what Google asks of makers of browsers.
        DeviceType::Tablet
    } else if says(OLD_MOBILE) {
        DeviceType::Mobile
    } else if os.starts_with("Windows") || DESKTOP.contains(&os) {
        DeviceType::Desktop
    } else {
        DeviceType::Unknown
    }
}

/// The model, as far as the user agent says it: `iPhone`, `SM-G991B`.
pub(crate) fn model(user_agent: &str) -> SmolStr {
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
    fn hints_win_over_a_frozen_user_agent() {
        let windows = Device { os: "Windows".into(), os_version: "10".into(), ..Device::default() };
        let table: &[(&[u8], &[u8], &[u8], &str, &str, DeviceType)] = &[
            (b"\"Pixel 8\"", b"\"15.0.0\"", b"?1", "Pixel 8", "11", DeviceType::Mobile),
            (b"\"\"", b"\"10.0.0\"", b"?0", "", "10", DeviceType::Unknown),
            (b"Pixel", b"15", b"1", "", "10", DeviceType::Unknown),
            (b"\"a\"b\"", b"\"\xff\"", b"", "", "10", DeviceType::Unknown),
        ];
        for (model, platform_version, mobile, want_model, want_version, want_type) in table {
            let mut device = windows.clone();
            Hints { model, platform_version, mobile }.apply(&mut device);
            let got = (device.model.as_str(), device.os_version.as_str(), device.device_type);
            assert_eq!(got, (*want_model, *want_version, *want_type));
        }
        let mut android = Device { os: "Android".into(), os_version: "10".into(), ..Device::default() };
        Hints { platform_version: b"\"14.0.0\"", ..Hints::default() }.apply(&mut android);
        assert_eq!(android.os_version, "14.0.0");
    }
}
