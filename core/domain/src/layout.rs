//! Characters that change how a line is shown: what strangers write must not turn around what stands beside it.

/// Whether it is a mark of direction (<https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>) or a break of
/// lines that is no control character.
pub const fn is_layout(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
