//! Which user agents are bots', tools' and monitors': by the maintained list in `data/bots`, by words that nobody but
//! them uses, and by form (`docs/decisions/0017-bots.md`).
//!
//! The name of a phone may be anything (`CUBOT`, `Spider 8`, `Sonic`). So what a browser says of its machine, in the
//! first brackets, is only looked at for what no machine is called, and what it says of the app it is in not at all.

use aho_corasick::AhoCorasick;
use regex::bytes::{Match, Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use smol_str::{SmolStr, format_smolstr};
use std::borrow::Cow;

const LIST: &str = include_str!("../data/bots/crawler-user-agents.txt");
const PASSED_OVER: &str = include_str!("../data/bots/passed-over.txt");

/// A browser: what it says of its machine.
const MACHINE: &str = r"^Mozilla/\d\.\d+ ?\(((?:Linux|X11|Windows|Macintosh|iPhone|iPad|iPod|Android|Wayland|SMART|Web0S|compatible; MSIE \d|PlayStation|Nintendo|Mobile|Tizen|BB10|KAIOS|Unknown|DirectFB|OpenHarmony|Phone)(?:[^()]|\([^()]*\))*)\)?";

/// What is called so is no machine.
const NO_MACHINE: &str = r"
    (?:^|[^u]|[^c]u)bot/?\d | ;\ [\w.-]*(?:[^u]|[^c]u)bot(?:$|;) | \ bot\ \d\.\d | \w{3}bot[-_]\w+/ | googlebot
    | crawler | \wspider\b | spider/ | headless | phantomjs | \+http | bot[^;]*http | http[^;]*bot | -google/
    | transcoder | preview/ | catchpoint | iplabel | \brigor\b | datanyze | netcraft | appinsights | ips-agent
    | gtmetrix | httpclient | @[a-z][\w-]*\.[a-z]";

/// What a browser says of the app it is in: names of providers, devices and screens.
const APP: &str = r"\[[^\]]*\]|Instagram [^(]*\([^)]*\)|NAVER\([^)]*\)";

/// Words that nobody's browser says.
const WORDS: &str = r"
    (?:^|[^u]|[^c]u)bots?\b | (?:[^u\ ]|[^c]u)bot[/_-] | ^bot | robot | crawl | \wspider | spider\b | scrap(?:er|ing|y)
    | \bscanner | \bscan\b | https?:// | \bwww\. | @[a-z][\w-]*\.[a-z]
    | headless | phantomjs | playwright | selenium | puppeteer | cypress/ | webdriver | slimerjs | browsershots
    | lighthouse | pagespeed | page\ speed | gtmetrix | ptst/ | webpagetest | speedcurve | functionize
    | monitoring | monitor\b | uptime | pingdom | synthetic | statuscake | newrelic | datadog | dynatrace | catchpoint
    | site24x7 | checker | validator | link\ ?check | transcoder | measurement | \badvisor | inspector/
    | fetcher | preview | unfurl | embedly | slurp | archiv | thumbnail | screenshot | wappalyzer | mail\.ru_bot
    | \bgoogle-[a-z] | -google\b | googleadsense | google\ search\ console | cloudflare | prospect | \btime/\d{9}
    | convertify | whatcms | assetnote | pageburst | sparkler | mixnode | \bproxy\)
    | claude- | anthropic | openai\. | chatgpt- | perplexity(?:bot|-) | inspection
    | verifier | verification | doubleverify | \bmoat | integralads | \bias[_-] | daumoa";

/// More of them, where no browser speaks.
const MORE_WORDS: &str = r"
    | \bfeed | \w+feed | \brss | reader\b | thumb | \bseo | audit | inspect | analyz | research | \bscan | \bping
    | check(?:s|_\w+)?\b | monitor | fetch | security
    | apache | python | \bjava/ | \bperl\b | libwww | \bruby | \bphp | go-http | \bnode(?:-|js|\.js|/) | axios | okhttp
    | curl | wget | httpie | urllib | aiohttp | httpx | guzzle | postman | insomnia | winhttp
    | http[_-]?(?:client|get|unit|agent|rb) | http\ client | ^client | (?:^|[^_])agent\b | collector | indexer
    | \bdownload | harvest | extract | grab | verif | \btools?\b | hosting | detect | snippet | prefetch | web\ ?copier
    | nutch | heritrix | ^whatsapp | claude | openai | perplexity | ^\w*search\b | \w+ai/ | gpt | azure | ^\w+\.(?:com|net|org|io)\b | \bsteam
    | \b[a-z][\w-]*\.(?:com|net|org|io|ai|ru|de|it|co|cz|eu|fr|me|ms)(?:$|[^\w/.;])";

/// Who says that he is compatible with a browser, and is one: the others are not.
const COMPATIBLE: &str = r"\bcompatible[;,:]\ *([^;,)]*)";
const COMPATIBLE_BROWSERS: &str = r"^(?:MSIE\ \d|Konqueror|iCab|OmniWeb|NetPositive|Webpositive|IBrowse|Polaris
    |OffByOne|Opera\b|WebTV|AOL\b|AvantGo|NetFront|Bell\b|Danger|ELinks
    |Links\b|Lotus|Galeon|Teleca|Obigo|Dillo|Voyager|ICE\b|Escape\b|StarOffice|BlackBerry|Maxthon|Cyberdog
    |ANT(?:Galio|Fresco)|Planetweb|lephone)";
/// Who says his system instead may be a browser, if he speaks of one.
const COMPATIBLE_SYSTEMS: &str = r"^(?:Windows|Linux|Android|U$|Mac\b|X11|CentOS|PlayStation|iPhone|iPad)";
const ENGINES: &str = r"Gecko|WebKit|KHTML|MSIE|Trident|Opera|Presto|NetFront";

/// Something that people hold in their hands, or a browser, in whatever form it speaks.
const PERSONAL: &str = r"Android|iPhone|iPad|iPod|\biOS|Darwin|CFNetwork|Windows|Linux|Mac\ ?OS|Macintosh|MIDP|Profile/
    |Symbian|Series\ ?[346]0|BREW|UCWEB|UCBrowser|Opera|BlackBerry|BB10|J2ME|UP\.Browser|Obigo|NetFront|Dolfin|Nokia
    |SonyEricsson|SAMSUNG|\bLG[-/E]|MOT-|Teleca|\bWAP|webOS|Web0S|Tizen|Nintendo|PlayStation|Xbox|Roku|\btv|tv\d|tvOS
    |HbbTV|Alexa|CrKey|MAUI|Openwave|DoCoMo|KDDI|SoftBank|Vodafone|portalmmm|Huawei|\bZTE|Lenovo|Philips|SIE-|SEC-|SGH
    |Palm|Kindle|Fuchsia|KaiOS|BSD|SunOS|CrOS|OS/2|Amiga|Haiku|BeOS|AppleCoreMedia|Dalvik|watch\ ?OS|^Watch\d|FBAN|FBAV
    |AppleWebKit|Gecko|browser|Screen|^Echo/|KTOUCH|Lynx|Links|Google\ Fiber|Xiino|AirPlay|Citrix|Charon|MTK
    |X11|IRIX|OSF1|OSX|KaiOS|Sonos|Echo[;_]|sony_tv";

/// What tells bots, ready to run.
pub(super) struct Bots {
    machine: Regex,
    no_machine: Regex,
    app: Regex,
    words: Regex,
    all_words: Regex,
    compatible: Regex,
    compatible_browsers: Regex,
    compatible_systems: Regex,
    engines: Regex,
    personal: Regex,
    texts: AhoCorasick,
    expressions: RegexSet,
}

/// Why the expressions cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BotsError {
    #[error("expressions of bots: {0}")]
    Expression(#[from] regex::Error),
    #[error("texts of bots: {0}")]
    Texts(#[from] aho_corasick::BuildError),
}

/// Name and version of the list, for people.
pub(super) fn version() -> &'static str {
    let head = LIST.lines().next().unwrap_or_default();
    head.trim_start_matches("# ").split(',').next().unwrap_or_default()
}

/// The entries of the list that begin with this sign and are not passed over.
fn entries(sign: char) -> impl Iterator<Item = &'static str> {
    let used = |entry: &&str| !PASSED_OVER.lines().any(|passed| passed == *entry);
    LIST.lines().filter_map(move |line| line.strip_prefix(sign)).filter(used)
}

fn compiled(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression).unicode(false).case_insensitive(true).ignore_whitespace(true).build()
}

impl Bots {
    pub(super) fn new() -> Result<Self, BotsError> {
        // Blanks count in these two.
        let exact = |expression| RegexBuilder::new(expression).unicode(false).case_insensitive(true).build();
        Ok(Self {
            machine: exact(MACHINE)?,
            no_machine: compiled(NO_MACHINE)?,
            app: exact(APP)?,
            words: compiled(WORDS)?,
            all_words: compiled(&[WORDS, MORE_WORDS].concat())?,
            compatible: compiled(COMPATIBLE)?,
            compatible_browsers: compiled(COMPATIBLE_BROWSERS)?,
            compatible_systems: compiled(COMPATIBLE_SYSTEMS)?,
            engines: compiled(ENGINES)?,
            personal: compiled(PERSONAL)?,
            texts: AhoCorasick::new(entries('='))?,
            expressions: RegexSetBuilder::new(entries('~')).unicode(false).build()?,
        })
    }

    /// Why it is a bot, if it is one.
    pub(super) fn reason(&self, user_agent: &str) -> Option<SmolStr> {
        let all = user_agent.trim().as_bytes();
        let machine = self.machine.captures(all);
        let (said, words) = match &machine {
            Some(found) => {
                let machine = found.get(1).map_or(&b""[..], |m| m.as_bytes());
                if let Some(found) = self.no_machine.find(machine) {
                    return Some(named(&token(machine, &found)));
                }
                let rest = &all[found.get(0).map_or(0, |m| m.end())..];
                (self.app.replace_all(rest, &b" "[..]), &self.words)
            }
            None => (Cow::Borrowed(all), &self.all_words),
        };
        if let Some(name) = self.only_compatible(&said) {
            return Some(if name.is_empty() { "user agent of no browser".into() } else { named(&name) });
        }
        if let Some(found) = words.find(&said) {
            return Some(named(&self.name(&said, &token(&said, &found))));
        }
        if let Some(found) = self.texts.find(&*said) {
            let text = String::from_utf8_lossy(&said[found.range()]);
            return Some(named(text.trim_end_matches(['/', ' ', '('])));
        }
        if self.expressions.is_match(&said) {
            return Some(named(&self.name(&said, "a bot")));
        }
        let nobody = machine.is_none() && !self.personal.is_match(all);
        nobody.then(|| format_smolstr!("user agent of no browser: {}", first_word(all)))
    }

    /// `(compatible; NAME/1.0)` of somebody who is no browser.
    fn only_compatible(&self, said: &[u8]) -> Option<String> {
        let who = self.compatible.captures_iter(said).filter_map(|c| c.get(1));
        let is_browser = |who: &[u8]| {
            self.compatible_browsers.is_match(who)
                || self.compatible_systems.is_match(who) && self.engines.is_match(said)
        };
        let who = who.map(|m| m.as_bytes()).find(|who| !is_browser(who))?;
        Some(first_word(who))
    }

    /// What he calls himself; a browser's name says nothing of a bot, so the word that gave it away does.
    fn name(&self, said: &[u8], word: &str) -> String {
        let first = first_word(said);
        let own = |name: &str| {
            name.len() > 1 && !name.starts_with("Mozilla") && name.as_bytes()[0].is_ascii_alphanumeric()
        };
        let is_bare = !self.machine.is_match(said) && said.first().is_some_and(u8::is_ascii_alphanumeric);
        if is_bare && own(&first) { first } else { word.to_owned() }
    }
}

fn named(name: &str) -> SmolStr {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    format_smolstr!("user agent of {name}")
}

/// Up to the version.
fn first_word(text: &[u8]) -> String {
    let end = text.iter().position(|b| b" /;(,:".contains(b)).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end]).chars().take(64).collect()
}

/// The whole word in which something was found.
fn token(text: &[u8], found: &Match<'_>) -> String {
    let part = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    let from = text[..found.start()].iter().rposition(|b| !part(b)).map_or(0, |at| at + 1);
    let to = text[found.end()..].iter().position(|b| !part(b)).map_or(text.len(), |at| found.end() + at);
    let word = String::from_utf8_lossy(&text[from..to]);
    word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRAWLERS: &str = include_str!("../tests/fixtures/bots-crawler-user-agents.txt");
    const MATOMO: &str = include_str!("../tests/fixtures/bots-matomo.txt");
    const MACHINES: &str = include_str!("../tests/fixtures/machines.tsv");

    fn agents(fixture: &'static str) -> Vec<&'static str> {
        fixture.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn bots_of_both_lists_are_told() {
        let bots = Bots::new().expect("expressions");
        for (list, fixture) in [("crawler-user-agents", CRAWLERS), ("Matomo", MATOMO)] {
            let all = agents(fixture);
            let missed: Vec<_> = all.iter().filter(|ua| bots.reason(ua).is_none()).collect();
            let rate = 100.0 * (all.len() - missed.len()) as f64 / all.len() as f64;
            println!("{list}: {} of {} told, {rate:.2} %", all.len() - missed.len(), all.len());
            missed.iter().for_each(|ua| println!("    missed: {ua}"));
            assert!(rate >= 98.0, "{list}: {rate}");
        }
    }

    #[test]
    fn machines_of_people_in_lists_are_no_bots() {
        let bots = Bots::new().expect("expressions");
        let (mut all, mut wrong) = (0, Vec::new());
        for line in agents(MACHINES).into_iter().filter(|line| !line.starts_with("uap-core")) {
            let user_agent = line.rsplit('\t').next().expect("a column");
            all += 1;
            wrong.extend(bots.reason(user_agent).map(|reason| (line, reason)));
        }
        println!("machines: {} of {all} taken for bots", wrong.len());
        wrong.iter().for_each(|(line, reason)| println!("    {reason}: {line}"));
        // Who speaks like no browser and names no machine cannot be told from a tool.
        let browsers = wrong.iter().filter(|(line, _)| line.contains("Mozilla/") || line.starts_with("top"));
        assert_eq!(browsers.count(), 0);
        assert!(wrong.len() * 100 <= all, "{} of {all}", wrong.len());
    }

    #[test]
    fn phones_and_apps_of_people_are_no_bots() {
        let bots = Bots::new().expect("expressions");
        let people = [
            "Mozilla/5.0 (Linux; Android 12; CUBOT NOTE 21) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X19_S Build/PPR1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT/X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            "mozilla/5.0 (linux; android 6.0; cubot echo) applewebkit/537.36 (khtml, like gecko) chrome/70.0.3538.80 mobile safari/537.36",
            "Mozilla/5.0 (Linux; Android 13; Spider 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 7.0; ID bot 53+ Build/NRD90M) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/55.0.2883.91 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 15; CPH2581 Build/AP3A.240617.008; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/141.0.7390.122 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/323.0.647062479 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Linux; Android 10; VOG-AL00; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/76.0.3809.89 Mobile Safari/537.36 T7/12.10 SP-engine/2.27.0 baiduboxapp/12.10.0.10 (Baidu; P1 10)",
            "Mozilla/5.0 (Linux; arm_64; Android 12; SM-A525F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.5615.137 YaBrowser/23.5.0.00 YaApp_Android/23.52.1 YaSearchBrowser/23.52.1 BroPP/1.0 SA/3 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/124.0.6367.113 Mobile DuckDuckGo/5 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 5.1; S550 Pro; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/74.0 Mobile Safari/537.36 Instagram 94.0.0.22.116 Android (22/5.1; 320dpi; 720x1280; CUBOT; S550 Pro; mt6735; ru_RU; 155374080)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 13_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/239.0.0.52.149;FBDV/iPhone12,3;FBCR/Telekom.de;FBOP/5]",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 14_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/14.0 Mobile/15E148 Safari/605.1 NAVER(inapp; search; 900; 11.2.5; 12)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 BingSapphire/1.0.410310001",
            "Mozilla/5.0 (Linux; Android 12; X) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/100 Mobile Safari/537.36 AndroidApp/SogouSearch SogouMobileBrowser/6.9",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 16_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 musical_ly_29.0.0 JsSdk/2.0 Channel/App Store BytedanceWebview/d8a21c6",
            "Mozilla/5.0 (Linux; Android 16; SM-F966N; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/145.0.7632.120 Mobile Safari/537.36 Viber/27.4.0.0",
            "Mozilla/5.0 (Linux; Android 13; SM-A536B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/124.0.0.0 Mobile Safari/537.36 CamScanner",
            "Mozilla/5.0 (Linux; Android 13; SM-A536B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/124.0.0.0 Mobile Safari/537.36 TripAdvisor/58.1",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Tumblr/33.1",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 ChatGPT/1.2025",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 WhatsApp/2.24",
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1; Trident/4.0; .NET CLR 2.0.50727)",
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
            "Mozilla/5.0 (compatible; Konqueror/3.5; Linux; de) KHTML/3.5.8 (like Gecko) (Debian)",
            "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/34.1244; U; en) Presto/2.8.119 Version/11.10",
            "SAMSUNG-GT-E2232/1.0 Openwave/6.2.3 Profile/MIDP-2.0 Configuration/CLDC-1.1 UP.Browser/6.2.3.3.c.1.101 (GUI) MMP/2.0",
            "Links (2.7; CYGWIN_NT-5.1 1.7.15(0.260/5/3) i686; GNU C 4.5.3; text)",
        ];
        for user_agent in people {
            assert_eq!(bots.reason(user_agent), None, "{user_agent}");
        }
    }

    #[test]
    fn bots_are_told_by_name_word_and_form() {
        let bots = Bots::new().expect("expressions");
        let table = [
            ("Claude-User", "Claude-User"),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Claude-User/1.0; +Claude-User@anthropic.com)",
                "Claude-User",
            ),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
                "ChatGPT-User",
            ),
            (
                "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
                "meta-externalagent",
            ),
            ("GoogleOther", "GoogleOther"),
            (
                "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0 Mobile Safari/537.36 (compatible; GoogleOther)",
                "GoogleOther",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/98.0.4758.102 Safari/537.36 DatadogSynthetics",
                "DatadogSynthetics",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/98.0 Safari/537.36 NewRelicSynthetics/1.0",
                "NewRelicSynthetics",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
                "HeadlessChrome",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 moatbot",
                "moatbot",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36; Manus-User/1.0",
                "Manus-User",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; Storebot-Google/1.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.88 Safari/537.36",
                "Google",
            ),
            ("IAS_Wombles", "IAS_Wombles"),
            ("Playwright/1.40.0 (x64; ubuntu 22.04) node/18.16", "Playwright"),
            ("Selenium/4.0", "Selenium"),
            ("HTTPie/3.2.2", "HTTPie"),
            ("okhttp/4.12.0", "okhttp"),
            ("Valve/Steam HTTP Client 1.0 (client;440;10000)", "Valve"),
            ("Discourse Forum Onebox v3.1.0", "Discourse"),
            ("SkypeUriPreview", "SkypeUriPreview"),
            ("Mozilla/5.0 (compatible; NAME/1.0)", "NAME"),
            ("Mozilla/5.0 (compatible; Some Thing/2.1; en)", "Some"),
            (
                "Mozilla/5.0 (compatible; ProspectorBR/1.0; +x) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36",
                "ProspectorBR",
            ),
            ("Mozilla/5.0 (compatible; Windows NT 10.0; Some/1.0)", "Windows"),
            ("Mozilla/5.0 (compatible)", ""),
            ("Mozilla/5.0", "no browser"),
            ("kube-probe/1.27", "kube-probe"),
            ("WhatsApp/2.23.20.0 A", "WhatsApp"),
            ("WhatsApp/2.18.79 Android/5.1 Device/Meizu-MX5", "WhatsApp"),
            ("OpenAI/1.0 (Linux)", "OpenAI"),
            ("masscan/1.3", "masscan"),
            ("Ruby", "Ruby"),
            ("Something/1.0", "Something"),
            ("-", "-"),
        ];
        for (user_agent, name) in table {
            let reason = bots.reason(user_agent).unwrap_or_else(|| panic!("no bot: {user_agent}"));
            assert!(reason.contains(name), "{user_agent}: {reason}");
        }
    }

    #[test]
    fn any_text_is_told_or_not_without_harm() {
        let bots = Bots::new().expect("expressions");
        for text in
            ["(", "Mozilla/5.0 (", "Mozilla/5.0 (Linux; ((((", "[[[", "\u{1f4a9}bot\u{1f4a9}", "compatible; "]
        {
            let _ = bots.reason(text);
        }
        let long = "a(".repeat(500);
        let _ = bots.reason(&format!("Mozilla/5.0 (Linux; {long}"));
        assert!(version().starts_with("crawler-user-agents 1"), "{}", version());
    }
}
