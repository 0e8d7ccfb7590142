//! Client hints (`Sec-CH-UA-*`): what user agents do not say any more (`docs/decisions/0018-client-hints.md`).

use smol_str::{SmolStr, SmolStrBuilder};
use tfx_domain::routing::{Device, DeviceType};

/// The hints that are asked for: those that are read and that nobody sends unasked. Browsers listen to it over HTTPS.
pub const ACCEPT_CH: &str =
    "Sec-CH-UA-Platform-Version, Sec-CH-UA-Model, Sec-CH-UA-Full-Version-List, Sec-CH-UA-Form-Factors";

/// Longest hint that is read, bytes.
const LONGEST: usize = 512;

/// Client hints as sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'h> {
    /// `Sec-CH-UA-Model`: `"Pixel 8"`.
    pub model: &'h [u8],
    /// `Sec-CH-UA-Platform`: `"Android"`.
    pub platform: &'h [u8],
    /// `Sec-CH-UA-Platform-Version`: `"14.0.0"`.
    pub platform_version: &'h [u8],
    /// `Sec-CH-UA-Mobile`: `?1`.
    pub mobile: &'h [u8],
    /// `Sec-CH-UA-Full-Version-List`: `"Google Chrome";v="126.0.6478.127", …`.
    pub versions: &'h [u8],
    /// `Sec-CH-UA-Form-Factors`: `"Tablet"`.
    pub form_factors: &'h [u8],
}

impl<'h> Hints<'h> {
    /// All of them, to tell one visitor from another.
    pub(super) const fn all(&self) -> [&'h [u8]; 6] {
        [self.model, self.platform, self.platform_version, self.mobile, self.versions, self.form_factors]
    }

    /// What they say.
    pub(super) fn read(&self) -> Hinted {
        Hinted {
            model: quoted(self.model),
            platform: quoted(self.platform),
            platform_version: quoted(self.platform_version),
            mobile: self.mobile == b"?1",
            versions: versions(self.versions),
            form: form(self.form_factors),
        }
    }
}

/// What hints say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hinted {
    pub(super) model: Option<SmolStr>,
    platform: Option<SmolStr>,
    platform_version: Option<SmolStr>,
    mobile: bool,
    /// Brands with their versions.
    versions: Vec<(SmolStr, SmolStr)>,
    form: Option<DeviceType>,
}

impl Hinted {
    /// Puts what they say over what the user agent says; `of_model` is the kind of machine that has such a model.
    pub(super) fn apply(self, device: &mut Device, of_model: impl Fn(&str) -> Option<DeviceType>) {
        use DeviceType::{Console, Desktop, Mobile, Tv, Unknown};
        if let Some(platform) = &self.platform
            && (device.os.is_empty() || device.os == "Other")
        {
            device.os = os(platform);
        }
        if let Some(version) = self.platform_version.as_deref().and_then(|v| platform_version(&device.os, v))
        {
            device.os_version = version;
        }
        if let Some(version) = brand_of(&device.browser).and_then(|brand| self.version_of(brand)) {
            device.browser_version = version;
        }
        let by_model = self.model.as_deref().and_then(of_model);
        if let Some(model) = self.model {
            device.model = model;
        }
        if let Some(kind) = by_model {
            device.device_type = kind;
        } else if let Some(form) = self.form.filter(|_| !matches!(device.device_type, Tv | Console)) {
            device.device_type = form;
        } else if self.mobile && matches!(device.device_type, Desktop | Unknown) {
            device.device_type = Mobile;
        }
    }

    /// As many numbers as user agents say.
    fn version_of(&self, brand: &str) -> Option<SmolStr> {
        let (_, version) = self.versions.iter().find(|(name, _)| name == brand)?;
        let end = version.match_indices('.').nth(2).map_or(version.len(), |(at, _)| at);
        Some(version[..end].into())
    }
}

/// The text of a structured-header string, if it has some: visible ASCII, at most 64 characters.
fn quoted(header: &[u8]) -> Option<SmolStr> {
    let inner = header.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let ok = (1..=64).contains(&inner.len()) && inner.iter().all(|b| (0x20..0x7f).contains(b) && *b != b'"');
    std::str::from_utf8(inner).ok().filter(|_| ok).map(SmolStr::from)
}

/// `"Brand";v="1.2.3.4", "Other";v="5"`. Brands may hold any of these signs but quotes.
fn versions(header: &[u8]) -> Vec<(SmolStr, SmolStr)> {
    let Ok(text) = std::str::from_utf8(&header[..header.len().min(LONGEST)]) else { return Vec::new() };
    let mut quoted = text.split('"').skip(1);
    let mut found = Vec::new();
    while let (Some(brand), Some(between), Some(version)) = (quoted.next(), quoted.next(), quoted.next()) {
        let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if between.trim() == ";v=" && is_version {
            found.push((brand.into(), version.into()));
        }
        quoted.next();
    }
    found
}

/// The first form that we have a word for.
fn form(header: &[u8]) -> Option<DeviceType> {
    let text = std::str::from_utf8(&header[..header.len().min(LONGEST)]).ok()?;
    text.split(',').find_map(|form| match form.trim() {
        "\"Desktop\"" => Some(DeviceType::Desktop),
        "\"Mobile\"" => Some(DeviceType::Mobile),
        "\"Tablet\"" => Some(DeviceType::Tablet),
        "\"Automotive\"" | "\"XR\"" | "\"EInk\"" | "\"Watch\"" => Some(DeviceType::Other),
        _ => None,
    })
}

/// Systems by the names that user agents give.
fn os(platform: &str) -> SmolStr {
    match platform {
        "macOS" => SmolStr::new_static("Mac OS X"),
        "Chromium OS" => SmolStr::new_static("Chrome OS"),
        "Unknown" => SmolStr::default(),
        name => name.into(),
    }
}

/// Windows tells the version of its API contract: 13 and later is Windows 11, 1 to 12 is Windows 10, 0.1 to 0.3 are
/// 7, 8 and 8.1 (learn.microsoft.com, "Detect Windows 11 using User-Agent Client Hints"). Those that tell the version
/// of their kernel or nothing do not count.
fn platform_version(os: &str, version: &str) -> Option<SmolStr> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next().flatten()?, parts.next().flatten());
    match os {
        "Windows" => Some(SmolStr::new_static(match (major, minor) {
            (13.., _) => "11",
            (1.., _) => "10",
            (0, Some(3)) => "8.1",
            (0, Some(2)) => "8",
            (0, Some(1)) => "7",
            _ => return None,
        })),
        "Android" | "Mac OS X" | "Chrome OS" | "iOS" | "Fire OS" if major > 0 => {
            let mut numbers = SmolStrBuilder::new();
            version.chars().filter(|c| c.is_ascii_digit() || *c == '.').for_each(|c| numbers.push(c));
            Some(numbers.finish())
        }
        _ => None,
    }
}

/// The brand by which a browser tells its own version.
fn brand_of(browser: &str) -> Option<&'static str> {
    Some(match browser {
        "Chrome" | "Chrome Mobile" => "Google Chrome",
        "Edge" | "Edge Mobile" => "Microsoft Edge",
        "Opera" | "Opera Mobile" => "Opera",
        "Chrome Mobile WebView" => "Android WebView",
        "Samsung Internet" => "Samsung Internet",
        "Yandex Browser" => "YaBrowser",
        "Chromium" => "Chromium",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hinted(device: &Device, hints: Hints<'_>) -> Device {
        let mut device = device.clone();
        hints.read().apply(&mut device, |model| model.starts_with("SM-T").then_some(DeviceType::Tablet));
        device
    }

    #[test]
    fn hints_win_over_a_frozen_user_agent() {
        let windows = Device { os: "Windows".into(), os_version: "10".into(), ..Device::default() };
        let table: &[(&[u8], &[u8], &[u8], &str, &str, DeviceType)] = &[
            (b"\"Pixel 8\"", b"\"15.0.0\"", b"?1", "Pixel 8", "11", DeviceType::Mobile),
            (b"\"\"", b"\"10.0.0\"", b"?0", "", "10", DeviceType::Unknown),
            (b"\"\"", b"\"13.0.0\"", b"?0", "", "11", DeviceType::Unknown),
            (b"\"\"", b"\"0.3.0\"", b"", "", "8.1", DeviceType::Unknown),
            (b"\"\"", b"\"0.1\"", b"", "", "7", DeviceType::Unknown),
            (b"\"\"", b"\"0\"", b"", "", "10", DeviceType::Unknown),
            (b"Pixel", b"15", b"1", "", "10", DeviceType::Unknown),
            (b"\"a\"b\"", b"\"\xff\"", b"", "", "10", DeviceType::Unknown),
            (b"\"SM-T500\"", b"\"x\"", b"?1", "SM-T500", "10", DeviceType::Tablet),
        ];
        for (model, platform_version, mobile, want_model, want_version, want_type) in table {
            let got = hinted(&windows, Hints { model, platform_version, mobile, ..Hints::default() });
            let got = (got.model.as_str(), got.os_version.as_str(), got.device_type);
            assert_eq!(got, (*want_model, *want_version, *want_type));
        }
        let table: &[(&str, &[u8], &str)] = &[
            ("Android", b"\"14.0.0\"", "14.0.0"),
            ("Mac OS X", b"\"26.1.0\"", "26.1.0"),
            ("Mac OS X", b"\"\"", "10"),
            ("Chrome OS", b"\"16181.61.0\"", "16181.61.0"),
            ("Linux", b"\"6.8.0\"", "10"),
            ("Ubuntu", b"\"6.8.0\"", "10"),
        ];
        for (os, platform_version, want) in table {
            let device = Device { os: (*os).into(), os_version: "10".into(), ..Device::default() };
            let got = hinted(&device, Hints { platform_version, ..Hints::default() });
            assert_eq!(got.os_version, *want, "{os}");
        }
    }

    #[test]
    fn brands_platform_and_form_are_read() {
        let list =
            br#""Not(A:Brand";v="99.0.0.0", "Google Chrome";v="133.0.6943.98", "Chromium";v="133.0.6943.98""#;
        let chrome =
            Device { browser: "Chrome".into(), browser_version: "133.0.0".into(), ..Device::default() };
        let of = |versions: &[u8]| hinted(&chrome, Hints { versions, ..Hints::default() }).browser_version;
        assert_eq!(of(list), "133.0.6943");
        for other in [
            &b""[..],
            b"\"",
            b"\"Google Chrome\"",
            b"\"Google Chrome\";v=\"x\"",
            b"\"Opera\";v=\"1\"",
            b"\xff",
        ] {
            assert_eq!(of(other), "133.0.0");
        }
        let forms: &[(&[u8], DeviceType, DeviceType)] = &[
            (b"\"Tablet\"", DeviceType::Mobile, DeviceType::Tablet),
            (b"\"Watch\", \"Mobile\"", DeviceType::Mobile, DeviceType::Other),
            (b"\"Automotive\"", DeviceType::Tablet, DeviceType::Other),
            (b"\"Mobile\"", DeviceType::Tv, DeviceType::Tv),
            (b"\"Sofa\"", DeviceType::Desktop, DeviceType::Desktop),
            (b"Desktop", DeviceType::Mobile, DeviceType::Mobile),
        ];
        for (form_factors, before, want) in forms {
            let device = Device { device_type: *before, ..Device::default() };
            assert_eq!(hinted(&device, Hints { form_factors, ..Hints::default() }).device_type, *want);
        }
        let said = Hints { platform: b"\"macOS\"", platform_version: b"\"15.3\"", ..Hints::default() };
        let device = hinted(&Device::default(), said);
        assert_eq!((device.os.as_str(), device.os_version.as_str()), ("Mac OS X", "15.3"));
    }
}
