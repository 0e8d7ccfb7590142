//! On a terminal: questions, Ctrl-C, colours, narrow tables.

use crate::place::Place;
use rexpect::session::{PtySession, spawn_command};
use std::process::Stdio;

/// Far more than anything here takes.
const PATIENCE: Option<u64> = Some(30_000);
const CTRL_C: char = 'c';

/// Types a line into a shell on a terminal of so many columns, and waits for the shell's last word, `exit CODE`.
fn terminal(place: &Place, columns: u16, line: &str) -> PtySession {
    let mut sh = place.command("sh");
    // Ctrl-C is for tfx; the shell stays.
    let line = format!("trap : INT; stty cols {columns} rows 40; {line}; echo exit $?");
    sh.args(["-c", &line]).env("TERM", "xterm-256color");
    sh.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    spawn_command(sh, PATIENCE).expect("a terminal")
}

/// Answers a question.
fn answer(t: &mut PtySession, question: &str, text: &str) {
    t.exp_string(question).unwrap_or_else(|e| panic!("{question}: {e}"));
    t.send(&format!("{text}\r")).expect("typed");
    t.flush().expect("typed");
}

/// Everything up to the shell's last word, and that.
fn rest(t: &mut PtySession) -> (String, String) {
    let (text, code) = t.exp_regex("exit [0-9]+\r\n").expect("an end");
    (text.replace("\r\n", "\n"), code.trim().to_owned())
}

#[test]
fn campaign_create_leads_from_nothing_to_a_link_that_redirects() {
    let place = Place::running();
    let mut t = terminal(&place, 80, "NO_COLOR=1 tfx campaign create");
    answer(&mut t, "Name of the campaign", "Summer Sale");
    answer(&mut t, "Short name in the link [summer-sale]", "");
    answer(&mut t, "Offer URL", "offer.example");
    // Asked again, with the reason.
    t.exp_string("must begin with http:// or https://").expect("why");
    answer(&mut t, "Offer URL", "https://offer.example/?a=1");
    answer(&mut t, "Parameter for it", "s");
    answer(&mut t, "Payout", "12.50 EUR");
    answer(&mut t, "Countries", "");
    answer(&mut t, "Network that pays", "Ad Net");
    t.exp_string("sends to  https://offer.example/?a=1&s={click_id}").expect("a summary");
    answer(&mut t, "Create it?", "y");
    let (said, code) = rest(&mut t);
    assert_eq!(code, "exit 0", "{said}");
    let link = place.ok("tfx campaign link summer-sale");
    assert!(said.contains(&link), "{said}");
    assert!(said.contains("/postback/ad-net?secret="), "{said}");

    place.until("tfx explain summer-sale --output json | grep -c '\"outcome\": \"routed\"'", "1");
    let click = crate::web::get(&place, "/c/summer-sale", crate::web::PHONE);
    assert!(
        click.starts_with("HTTP/1.1 302") && click.contains("location: https://offer.example/?a=1&s=01"),
        "{click}"
    );
}

#[test]
fn who_may_much_is_told_within_the_terminal() {
    let place = Place::running();
    let mut t = terminal(&place, 80, "NO_COLOR=1 tfx whoami");
    let (said, code) = rest(&mut t);
    assert_eq!(code, "exit 0", "{said}");
    assert!(said.contains("write:campaigns") && said.lines().all(|line| line.len() <= 80), "{said}");
}

#[test]
fn what_grows_says_within_the_terminal_when_it_goes() {
    let place = Place::running();
    let mut t = terminal(&place, 80, "NO_COLOR=1 tfx retention show");
    let (said, code) = rest(&mut t);
    assert_eq!(code, "exit 0", "{said}");
    assert!(said.lines().all(|line| line.len() <= 80), "{said}");
    for part in ["WHAT ", " HOW MUCH ", " ENDS\n", " never: they are money\n", "(HEALTH_HISTORY_TTL_DAYS)\n"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn nobody_is_erased_without_a_yes() {
    let place = Place::running();
    let line = "NO_COLOR=1 tfx erase --visitor c0ffee00c0ffee00c0ffee00c0ffee00";
    for (typed, said, code) in
        [("n", "nothing was erased", "exit 0"), ("y", "nothing more was found", "exit 0")]
    {
        let mut t = terminal(&place, 80, line);
        answer(&mut t, "Erase 0 rows for good?", typed);
        let (text, ended) = rest(&mut t);
        assert!(ended == code && text.contains(said), "{ended}: {text}");
    }
    let mut t = terminal(&place, 80, line);
    t.exp_string("Erase 0 rows for good?").expect("a question");
    t.send_control(CTRL_C).expect("typed");
    let (text, ended) = rest(&mut t);
    assert_eq!(ended, "exit 130", "{text}");
}

#[test]
fn ctrl_c_at_a_question_leaves_no_trace() {
    let place = Place::running();
    let mut t = terminal(&place, 80, "NO_COLOR=1 tfx campaign create");
    answer(&mut t, "Name of the campaign", "Summer");
    t.exp_string("Short name").expect("a question");
    t.send_control(CTRL_C).expect("typed");
    let (said, code) = rest(&mut t);
    assert_eq!(code, "exit 130", "{said}");
    assert!(said.contains("error: interrupted"), "{said}");
    assert_eq!(place.ok("tfx campaign list --output name --quiet"), "");
}

#[test]
fn missing_values_are_asked_for_and_destruction_asks_first() {
    let place = Place::running();
    let mut t = terminal(&place, 80, "NO_COLOR=1 tfx destination create --name Offer");
    answer(&mut t, "URL, with {click_id} in it", "https://offer.example/?s={clickid_}");
    t.exp_string("is not a macro").expect("why");
    answer(&mut t, "URL, with {click_id} in it", "https://offer.example/?s={click_id}");
    assert_eq!(rest(&mut t).1, "exit 0");

    let mut t = terminal(&place, 80, "NO_COLOR=1 tfx destination archive offer");
    answer(&mut t, "Archive the destination offer?", "n");
    let (said, code) = rest(&mut t);
    assert!(said.contains("nothing was changed") && code == "exit 0", "{said}");

    let mut t = terminal(&place, 80, "NO_COLOR=1 tfx destination archive offer");
    answer(&mut t, "Archive the destination offer?", "y");
    assert_eq!(rest(&mut t).1, "exit 0");
    assert_eq!(place.ok("tfx destination list --output name --quiet"), "");
}

#[test]
fn a_replay_stops_at_ctrl_c_and_prints_what_it_did() {
    let place = Place::running();
    crate::clicks::campaign(&place);
    place.file("access.log", &crate::replay::LOG.repeat(100));
    let mut t =
        terminal(&place, 80, "NO_COLOR=1 tfx bench --replay access.log --to summer --rate 20 --repeat 100");
    t.exp_regex("[1-9][0-9]*/30000").expect("progress");
    t.send_control(CTRL_C).expect("typed");
    let (said, code) = rest(&mut t);
    assert_eq!(code, "exit 130", "{said}");
    assert!(said.contains("in the report") && said.contains("error: interrupted"), "{said}");
}

#[test]
fn tables_are_coloured_unless_told_otherwise() {
    let place = Place::running();
    place.ok("tfx source create --name Social");
    let bold = "\u{1b}[1m";
    for (line, coloured) in [
        ("tfx source list", true),
        ("tfx source show social", true),
        ("tfx source list --no-color", false),
        ("NO_COLOR=1 tfx source list", false),
        ("TERM=dumb tfx source list", false),
        ("NO_COLOR= tfx source list", true),
        ("tfx source list --output json", false),
        ("tfx source list | cat", false),
    ] {
        let mut t = terminal(&place, 80, line);
        let (said, _) = rest(&mut t);
        assert_eq!(said.contains(bold), coloured, "{line}: {said:?}");
        assert!(coloured || !said.contains('\u{1b}'), "{line}: {said:?}");
    }
}

#[test]
fn a_narrow_terminal_breaks_text_but_no_names() {
    let place = Place::running();
    place.ok("tfx destination create --name 'A rather long name' --slug a-rather-long-slug --url 'https://offer.example/a/long/path?s={click_id}'");
    let mut t = terminal(&place, 60, "tfx destination list --no-color");
    let (said, code) = rest(&mut t);
    assert_eq!(code, "exit 0");
    assert!(said.contains("a-rather-long-slug"), "{said}");
    assert!(said.lines().all(|l| l.chars().count() <= 60), "{said}");
    let mut t = terminal(&place, 30, "tfx destination list --no-color");
    let (said, _) = rest(&mut t);
    assert!(said.contains("a-rather-long-slug") && said.contains("too narrow for: url"), "{said}");
}

#[test]
fn a_smoke_check_that_is_interrupted_puts_away_what_it_made_and_tells_ci() {
    let mut place = Place::running();
    let (api, traffic) = (format!("http://{}", place.api()), format!("http://{}", place.traffic()));
    place.set("TRAFFIC_SERVICE_URL", &traffic);
    // api-service is ready, and knows of no postback: the check waits for the network to be known there.
    place.set("POSTBACK_SERVICE_URL", &api);
    let mut t = terminal(&place, 120, "tfx smoke --stack attach --patience 3600 --junit smoke.xml");
    t.exp_string("ok   every click is stored").expect("the clicks");
    t.send_control(CTRL_C).expect("sent");
    let (said, code) = rest(&mut t);
    assert_eq!(code, "exit 130", "{said}");
    assert!(said.contains("FAIL postbacks are recorded"), "{said}");
    assert!(said.contains("ok   what was made is archived"), "{said}");
    assert_eq!(place.ok("tfx campaign list --output name"), "");
    let junit = std::fs::read_to_string(place.dir().join("smoke.xml")).expect("the file");
    assert!(junit.contains("tests=\"14\" failures=\"1\" skipped=\"6\""), "{junit}");
    assert!(junit.contains("<failure message=\"interrupted\">"), "{junit}");
}

#[test]
fn a_report_that_is_watched_clears_a_terminal_alone_and_ends_with_ctrl_c() {
    let place = Place::running();
    let mut t = terminal(&place, 80, "NO_COLOR=1 tfx report --metrics clicks --watch 1");
    for _ in 0..2 {
        t.exp_string("\u{1b}[2J").expect("a clean screen");
        t.exp_string("TOTAL").expect("a report");
    }
    t.send_control(CTRL_C).expect("typed");
    let (said, code) = rest(&mut t);
    assert_eq!(code, "exit 130", "{said}");
    // In a pipe it goes on until the reader has enough.
    let piped = place.ok("tfx report --by none --metrics clicks --watch 1 --quiet | head -4");
    assert_eq!(piped, "CLICKS\n0\nCLICKS\n0".replace("CLICKS\n0", "CLICKS\n     0"), "{piped}");
}

/// `tfx top` in a terminal, with its process id in a file, and how the terminal was set before and after.
fn top(place: &Place) -> PtySession {
    let line = "stty -g > before; sh -c 'echo $$ > pid; exec tfx top --every 1'; code=$?; stty -g > after; \
        cmp before after && (exit $code)";
    let mut t = terminal(place, 80, line);
    t.exp_string("\u{1b}[?1049h").expect("a screen of its own");
    t.exp_string("clicks/s").expect("a screen");
    t.exp_string("nothing").expect("a look");
    t
}

#[test]
fn top_gives_the_terminal_back_as_it_was_on_every_way_out() {
    let mut place = Place::running();
    place.set("TRAFFIC_SERVICE_URL", &format!("http://{}", place.traffic()));
    place.set("POSTBACK_SERVICE_URL", &format!("http://{}", place.postbacks()));
    for (way, code) in [
        ("q", "exit 0"),
        ("c", "exit 130"),
        ("TERM", "exit 130"),
        ("INT", "exit 130"),
        ("HUP", "exit 130"),
        ("QUIT", "exit 130"),
    ] {
        let mut t = top(&place);
        match way {
            "q" => {
                t.send("q").expect("typed");
                t.flush().expect("typed");
            }
            "c" => t.send_control(CTRL_C).expect("typed"),
            signal => _ = place.ok(&format!("kill -{signal} $(cat pid)")),
        }
        t.exp_string("\u{1b}[?1049l").unwrap_or_else(|e| panic!("{way}: the screen before: {e}"));
        t.exp_string("\u{1b}[?25h").unwrap_or_else(|e| panic!("{way}: the cursor: {e}"));
        let (said, ended) = rest(&mut t);
        assert_eq!(ended, code, "{way}: {said}");
    }
}

#[test]
fn top_answers_keys_and_a_terminal_of_another_size() {
    let mut place = Place::running();
    place.set("TRAFFIC_SERVICE_URL", &format!("http://{}", place.traffic()));
    place.set("POSTBACK_SERVICE_URL", &format!("http://{}", place.postbacks()));
    let mut t = top(&place);
    t.send("?").expect("typed");
    t.flush().expect("typed");
    t.exp_string("Shift-Tab").expect("the keys");
    t.send("x").expect("typed");
    t.flush().expect("typed");
    let tty = place.ok("readlink /proc/$(cat pid)/fd/0");
    place.ok(&format!("stty -F {tty} cols 140"));
    // Sources stand beside the rows where there is room.
    t.exp_string("SOURCE").expect("a wider screen");
    t.send("q").expect("typed");
    t.flush().expect("typed");
    assert_eq!(rest(&mut t).1, "exit 0");
}
