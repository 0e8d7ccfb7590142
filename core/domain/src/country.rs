//! Which countries there are (ISO 3166-1 alpha-2), and on which continent each is.
//!
//! `XK` is no code of the standard, but what everybody writes for Kosovo, geo databases too.

use smol_str::SmolStr;

/// A country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country {
    /// Two letters, upper-case.
    pub code: &'static str,
    /// Its continent, as GeoNames has it: `EU`.
    pub continent: &'static str,
}

/// The codes of the continents.
pub const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/// The countries of each continent, in the order of [`CONTINENTS`].
const COUNTRIES: [&str; 7] = [
    "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU MW MZ NA NE NG \
     RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    "AQ BV GS HM TF",
    "AE AF AM AZ BD BH BN BT CC CN GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM PH PK \
     PS QA SA SG SY TH TJ TM TR TW UZ VN YE",
    "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK MT \
     NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX TC TT US \
     VC VG VI",
    "AS AU CK CX FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TL TO TV UM VU WF WS",
    "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
];

/// The country with this code, in letters of either case.
pub fn find(code: &str) -> Option<Country> {
    if code.len() != 2 {
        return None;
    }
    CONTINENTS.iter().zip(COUNTRIES).find_map(|(continent, codes)| {
        let code = codes.split(' ').find(|c| c.eq_ignore_ascii_case(code))?;
        Some(Country { code, continent })
    })
}

/// The code of a country that a person wrote.
///
/// # Errors
/// Why it is none.
pub fn parse(text: &str) -> Result<SmolStr, String> {
    if text.eq_ignore_ascii_case("uk") {
        return Err("the United Kingdom is GB".to_owned());
    }
    let shown: String = text.chars().take(50).collect();
    find(text).map(|c| SmolStr::new_static(c.code)).ok_or_else(|| {
        format!("'{shown}' is not a country; write its code of two letters (ISO 3166-1), such as US")
    })
}

/// The code of a continent that a person wrote.
///
/// # Errors
/// Why it is none.
pub fn parse_continent(text: &str) -> Result<SmolStr, String> {
    let shown: String = text.chars().take(50).collect();
    let found = CONTINENTS.iter().find(|c| c.eq_ignore_ascii_case(text));
    found
        .map(|c| SmolStr::new_static(c))
        .ok_or_else(|| format!("'{shown}' is not one of {}", CONTINENTS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_country_is_listed_once_and_no_other() {
        let all: Vec<&str> = COUNTRIES.iter().flat_map(|codes| codes.split(' ')).collect();
        assert_eq!(all.len(), 249 + 1, "ISO 3166-1 has 249, and Kosovo");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase())));
        for code in [
            "XX", "QQ", "ZZ", "AA", "EU", "AP", "A1", "A2", "O1", "T1", "UK", "AN", "SU", "", "D", "DEU",
            "D ", "ÄÖ", "D\0",
        ] {
            assert_eq!(find(code), None, "{code:?}");
        }
    }

    #[test]
    fn a_country_is_on_its_continent() {
        let table = [
            ("de", "EU"),
            ("US", "NA"),
            ("br", "SA"),
            ("TR", "AS"),
            ("RU", "EU"),
            ("eG", "AF"),
            ("NZ", "OC"),
            ("AQ", "AN"),
            ("NA", "AF"),
            ("AS", "OC"),
            ("XK", "EU"),
        ];
        for (code, continent) in table {
            assert_eq!(find(code).map(|c| c.continent), Some(continent), "{code}");
        }
    }
}
