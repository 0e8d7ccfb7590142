//! Conversions from files and into them, and a network's own export held against them.

use crate::{
    clicks::{campaign, recorded},
    place::{Place, TFX},
    transcript::Transcript,
    web,
};
use rusqlite::Connection;
use std::{fmt::Write as _, fs, time::Duration};

/// With so many clicks, `$C1` and so on.
fn with_clicks(clicks: usize) -> Place {
    let mut place = Place::running();
    campaign(&place);
    for n in 1..=clicks {
        let click = web::click(&place, "/c/summer");
        recorded(&place, n);
        place.set(&format!("C{n}"), &click);
    }
    place
}

fn click(place: &Place, n: usize) -> String {
    place.setting(&format!("C{n}")).expect("a click").to_owned()
}

#[test]
fn rows_of_any_file_are_taken_and_each_refused_one_is_told() {
    let place = with_clicks(3);
    let [one, two, three] = [1, 2, 3].map(|n| click(&place, n));
    place.file(
        "may.csv",
        &format!(
            "\u{feff}Sub ID;Order;State;Amount;Cur;When;Note\r\n\
             {one};O1;approved;12.50;USD;2099-01-01;\r\n\
             {one};O1;approved;12.50;USD;;\"a; b\"\r\n\
             {two};O2;lead;1,5;USD;;\r\n\
             {two};O2;lead;1.234,50;USD;;\r\n\
             {two};O2;lead;NaN;USD;;\r\n\
             {two};O2;lead;1e309;USD;;\r\n\
             {two};O2;lead;-1;USD;;\r\n\
             {two};O2;lead;١٢;USD;;\r\n\
             {two};O2;lead;1;XXY;;\r\n\
             {two};O2;lead;1;USD;03/04/2026;\r\n\
             {three};O3;оплачено;2;;;\r\n\
             01KBB6X7T40000000000000000;O4;approved;3;;;\r\n\
             42;O5;approved;3;;;\r\n\
             {three};O6\r\n"
        ),
    );
    let map = "--network adnet --template main --map click_id='Sub ID',transaction_id=Order,status=State \
               --map payout=Amount,currency=Cur,time=When";
    let mut t = Transcript::new(&place);
    t.all(&format!(
        "tfx conversion import may.csv --dry-run
        tfx conversion import may.csv --network nowhere --dry-run
        tfx conversion import may.csv --network adnet
        tfx conversion import may.csv --network adnet --dry-run
        tfx conversion import may.csv {map} --map currency=Curr --dry-run
        tfx conversion import may.csv {map} --dry-run --quiet --output json
        tfx conversion import may.csv {map} --yes
        tail -n +1 may.csv.refused.csv
        tfx conversion import may.csv {map} --yes
        tfx conversion import may.csv {map} --yes --refused other.csv --quiet --output csv
        tfx conversion list --columns status,revenue,transaction_id --output csv
        tfx audit --limit 1 --output jsonl | grep -o '\"action\":\"import\"'"
    ));
    place.file("mended.csv", &format!("line,reason,click_id,payout,currency\n4,why,{three},5,EUR\n"));
    t.all(
        "tfx conversion import mended.csv --network last --yes
        tfx conversion import mended.csv --network last --yes --refused again.csv",
    );
    // What stands before the line that cannot be read is taken.
    place.file("half.csv", &format!("click_id,transaction_id,payout\n{three},O7,1\n{three},\"O8,1\n"));
    t.all(
        "tfx conversion import half.csv --network adnet --yes
        tfx conversion import half.csv --network adnet --yes
        tfx conversion import half.csv --network adnet --yes --restart",
    );
    place.file("half.csv", &format!("click_id,transaction_id,payout\n{three},O7,1\n{three},O8,1\n"));
    t.all(
        "tfx conversion import half.csv --network adnet --yes
        tfx conversion import half.csv --network adnet --yes --restart
        tfx conversion export may.jsonl --network nowhere
        tfx conversion export all.csv --status sale
        tfx conversion export all.csv
        ls",
    );
    t.is("imports");
}

#[test]
fn what_is_no_file_of_rows_is_named() {
    let place = with_clicks(1);
    place.file("open.csv", "click_id,status,note\nx,sale,fine\nx,sale,\"open\nx,sale,\nx,sale,\n");
    place.file("text.csv", "click_id,status,note\nx,sale,\"one\nx,sale,\"two\"\n");
    place.file("two.csv", "click_id,payout,revenue,Payout\nx,1,2,3\n");
    place.file("aliases.csv", "subid,rev,amount\nx,1,2\n");
    place.file("empty.csv", "");
    place.file("alone.csv", "click_id\nx\n");
    place.file("list.json", "[{\"click_id\": \"x\"}]\n");
    place.file("lines.jsonl", "{\"click_id\": \"x\"}\nnope\n{\"click_id\": {\"a\": 1}}\n");
    place.file("long.csv", &format!("click_id,status\nx,{}\n", "s".repeat(70_000)));
    fs::write(place.dir().join("sixteen.csv"), b"\xff\xfec\0,\0s\0\n\0").expect("written");
    fs::write(place.dir().join("latin.csv"), b"click_id,status\n\xe9,sale\n").expect("written");
    fs::write(place.dir().join("book.xlsx"), b"PK\x03\x04rest").expect("written");
    fs::write(place.dir().join("may.csv.gz"), b"\x1f\x8b\x08\0").expect("written");
    let mut t = Transcript::new(&place);
    for file in [
        "open.csv",
        "text.csv",
        "two.csv",
        "aliases.csv",
        "empty.csv",
        "alone.csv",
        "list.json",
        "lines.jsonl",
        "long.csv",
        "sixteen.csv",
        "latin.csv",
        "book.xlsx",
        "may.csv.gz",
        "nothere.csv",
        ".",
    ] {
        t.sh(&format!("tfx conversion import {file} --network adnet --dry-run"));
    }
    t.all(
        "tfx conversion import open.csv --network adnet --delimiter x --dry-run
        tfx conversion import open.csv --network adnet --map click=x --dry-run
        tfx conversion import - --network adnet
        tfx conversion import open.csv --template main --dry-run
        tfx conversion import open.csv --network adnet --template nowhere --dry-run",
    );
    t.is("imports_of_no_rows");
}

/// A file of so many sales of one click, each of its own transaction, of 0.01 each.
fn sales(place: &Place, rows: usize) {
    place.ok("tfx destination update offer --set allow_upsell=true");
    place.until("tfx destination show offer --output json | grep -c '\"allow_upsell\": true'", "1");
    let click = click(place, 1);
    let mut text = "click_id,transaction_id,payout\n".to_owned();
    for n in 0..rows {
        let _ = writeln!(text, "{click},T{n},0.01");
    }
    place.file("sales.csv", &text);
}

#[test]
fn an_import_that_is_killed_goes_on_and_counts_nothing_twice() {
    let place = with_clicks(1);
    sales(&place, 6_000);
    let line = "tfx conversion import sales.csv --network adnet --yes --quiet --output csv";
    let mut killed = place.command(TFX).args(line.split(' ').skip(1)).spawn().expect("tfx");
    let state = place.dir().join("sales.csv.tfx-import");
    while !state.exists() && killed.try_wait().expect("its end").is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Also when it was faster: then there is nothing to go on with, and each counts once as well.
    let _ = killed.kill();
    let _ = killed.wait();
    let done = place.sh(line);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(!state.exists(), "it is over");
    let told = place.sh("tfx conversion export all.csv").stderr;
    assert_eq!(told.trim_end(), "6000 conversions of 60 USD in all.csv");
    // And all of it once more.
    assert_eq!(place.ok(line), "result,status,rows,revenue\nduplicate,,6000,");
    place.until("tfx report --metrics sales --output csv | grep -c 6000", "1");
}

/// Whatever the words are: what is exported is imported as it was.
#[test]
fn an_export_that_is_imported_makes_the_same() {
    let place = with_clicks(2);
    let [one, two] = [1, 2].map(|n| click(&place, n));
    place.ok("tfx template create --network adnet --slug default --name D --map sale=lead,ok --map refund=r --set 'scale=\"0.01\"'");
    place.until(
        &format!(
            "tfx postback test adnet clickid={one}\\&status=ok\\&payout=100 --output json | grep -c '\"amount\": \"1\"'"
        ),
        "1",
    );
    for said in [
        format!("clickid={one} txid==cmd status=ok payout=1250"),
        format!("clickid={two} status=pending payout=30 currency=EUR"),
        format!("clickid={two} txid=';-1 status=r payout=0"),
        format!("clickid={two} txid=T,\"3 status=rejected payout=700"),
    ] {
        let params: Vec<String> =
            said.split(' ').map(|p| format!("--param '{}'", p.replace('\'', "'\\''"))).collect();
        place.ok(&format!("tfx postback test adnet {} --send", params.join(" ")));
    }
    for form in ["csv", "jsonl"] {
        place.ok(&format!("tfx conversion export before.{form}"));
    }
    let before = fs::read_to_string(place.dir().join("before.csv")).expect("the export");
    assert_eq!(before.lines().count(), 5, "{before}");
    assert!(before.contains("'=cmd") && before.contains("''"), "{before}");
    for form in ["csv", "jsonl"] {
        let config = Connection::open(place.dir().join("data/config.db")).expect("the store");
        assert_eq!(config.execute("DELETE FROM conversions", []).expect("emptied"), 4);
        place.ok(&format!("tfx conversion import before.{form} --yes"));
        assert_eq!(place.ok("tfx conversion export -") + "\n", before, "{form}");
    }
}

#[test]
fn what_a_network_says_otherwise_is_named_and_mended() {
    let place = with_clicks(4);
    let [one, two, three, four] = [1, 2, 3, 4].map(|n| click(&place, n));
    for said in [
        format!("clickid={one}&txid=A&status=sale&payout=5"),
        format!("clickid={two}&txid=B&status=lead&payout=6"),
        format!("clickid={three}&txid=C&status=sale&payout=7"),
    ] {
        place.ok(&format!("tfx postback test adnet '{said}' --send"));
    }
    let header = "transaction_id,click_id,status,payout\n";
    place.file("same.csv", &format!("{header}A,{one},sale,5\nB,{two},lead,6\nC,{three},sale,7.0\n"));
    place.file(
        "may.csv",
        &format!(
            "{header}A,{one},sale,5.50\nB,{two},sale,6\nD,{four},sale,8\nD,{four},sale,9\n\
             E,01KBB6X7T40000000000000000,sale,1\nF,{four},sale,much\n"
        ),
    );
    let mut t = Transcript::new(&place);
    t.all(
        "tfx network reconcile adnet --csv same.csv
        tfx network reconcile adnet --csv same.csv --since 1d
        tfx network reconcile adnet --csv may.csv --since 1d
        tfx network reconcile adnet --csv may.csv --since 1d --limit 1 --output csv --quiet
        tfx network reconcile adnet --csv may.csv --since 1d --output json --quiet
        tfx network reconcile adnet --csv may.csv --since 1d --fix
        tfx network reconcile adnet --csv may.csv --since 1d --fix --yes
        tfx network reconcile adnet --csv may.csv --since 1d
        tfx network reconcile adnet --csv - --since 1d
        tfx network reconcile nowhere --csv may.csv --since 1d",
    );
    t.is("network_reconcile");
}

/// What stands is a row's only under its transaction id, or by click where one of them has none.
#[test]
fn a_sale_that_is_not_here_is_not_taken_for_another_one_of_its_click() {
    let place = with_clicks(5);
    let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(|n| click(&place, n));
    for said in [
        format!("clickid={two}&txid=T1&status=sale&payout=5"),
        format!("clickid={three}&status=sale&payout=10"),
        format!("clickid={four}&txid=Y3&status=sale&payout=3"),
        format!("clickid={five}&status=lead&payout=6"),
    ] {
        place.ok(&format!("tfx postback test adnet '{said}' --send"));
    }
    let header = "transaction_id,click_id,status,payout,network\n";
    place.file(
        "may.csv",
        &format!(
            "{header}X1,{one},sale,10,adnet\nX2,{one},sale,40,adnet\nT1,{two},sale,,adnet\nT1b,{two},sale,50,\n\
             N0,{three},sale,10,adnet\nN1,{three},sale,11,adnet\nY3,{one},sale,3,adnet\nN5,{five},sale,6,adnet\n\
             Z1,{one},sale,99,other\nZ2,{one},sale,99,last\n"
        ),
    );
    place.file("early.csv", &format!("{header}T1,{two},sale,5,adnet\nN0,{three},sale,,adnet\n"));
    let mut t = Transcript::new(&place);
    t.all(
        "tfx network reconcile adnet --csv may.csv --since 1d
        tfx network reconcile adnet --csv may.csv --since 1d --fix --yes
        tfx network reconcile adnet --csv may.csv --since 1d
        tfx conversion list --columns status,revenue,transaction_id,click_id --output csv
        tfx network reconcile adnet --csv early.csv --since 2d --until 1d
        tfx conversion export all.csv --quiet
        tfx network reconcile adnet --csv all.csv --since 1d",
    );
    t.is("network_reconcile_whose");
}

/// What a statement takes back is taken back, and what of it is not taken is in the file of refused rows.
#[test]
fn a_statement_takes_back_what_it_says_and_names_what_is_not_taken() {
    let place = with_clicks(3);
    let [one, two, three] = [1, 2, 3].map(|n| click(&place, n));
    for said in [
        format!("clickid={one}&txid=T1&status=sale&payout=13"),
        format!("clickid={two}&txid=T2&status=sale&payout=7"),
    ] {
        place.ok(&format!("tfx postback test adnet '{said}' --send"));
    }
    let before = tfx_ops::clock::now() - Duration::from_secs(180);
    place.file(
        "may.csv",
        &format!(
            "transaction_id,click_id,status,payout,time\nT1,{one},rejected,13,{before}\nT2,{two},sale,8,{before}\n\
             T3,{two},sale,50,{before}\nT2,{three},sale,7,{before}\nT2,{two},lead,7,{before}\nT2,{two},sale,7,{before}\n"
        ),
    );
    let mut t = Transcript::new(&place);
    t.all(
        "tfx conversion import may.csv --network adnet --yes
        tail -n +1 may.csv.refused.csv
        tfx conversion list --columns status,revenue,transaction_id --output csv",
    );
    t.is("imports_of_a_statement");
}

/// Whatever a spreadsheet or a person made of an export: its transactions are what they were.
#[test]
fn an_export_with_another_column_makes_no_new_conversions() {
    let place = with_clicks(2);
    let [one, two] = [1, 2].map(|n| click(&place, n));
    for (click, id) in [(one, "=1+1"), (two, "-A,B")] {
        place.ok(&format!(
            "tfx postback test adnet --param clickid={click} --param 'txid={id}' --param payout=5 --send"
        ));
    }
    place.ok("tfx conversion export all.csv && sed '1s/$/,note/; 2,$s/$/,x/' all.csv > noted.csv");
    place.ok("tfx conversion list --output csv --columns click_id,transaction_id,status > listed.csv");
    // What the network writes is a thousandth; ours is ours.
    place.ok("tfx template create --network adnet --slug default --name D --decimal comma --scale 0.001");
    place.ok("sed '1s/status/Status/' all.csv > spelled.csv");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx conversion import noted.csv --yes
        tfx conversion import all.csv --map payout=payout --dry-run
        tfx conversion import all.csv --network adnet --template main --yes
        tfx conversion import listed.csv --network adnet --yes
        tfx conversion import spelled.csv --yes
        tfx network reconcile adnet --csv noted.csv
        tfx network reconcile adnet --csv spelled.csv
        tfx network reconcile adnet --csv noted.csv --since 2026-01-01 --until 2026-01-02",
    );
    t.is("imports_of_changed_exports");
}

/// What was taken was of the file as it was: changed before there, it does not go on in silence.
#[test]
fn an_import_does_not_go_on_in_a_file_that_changed_before() {
    let place = with_clicks(1);
    sales(&place, 6_000);
    let path = place.dir().join("sales.csv");
    let whole = fs::read_to_string(&path).expect("the file");
    let lines: Vec<&str> = whole.lines().collect();
    // It ends where a row cannot be read on, far behind the beginning.
    let cut = format!("{}\n\"x\n", lines[..5_000].join("\n"));
    let padded = format!("{cut}{}", "\n".repeat(whole.len() - cut.len()));
    fs::write(&path, &padded).expect("written");
    let line = "tfx conversion import sales.csv --network adnet --yes --quiet --output csv";
    let broken = place.sh(line);
    assert!(broken.code == Some(2) && broken.stderr.contains("line 5001"), "{}", broken.stderr);
    let changed = padded.replacen("T4000,0.01", "T4000,0.99", 1);
    fs::write(&path, &changed).expect("written");
    let refused = place.sh(line);
    assert!(refused.code == Some(2) && refused.stderr.contains("is not as it was"), "{}", refused.stderr);
    // What comes behind may change as it likes.
    fs::write(&path, padded.replacen("\"x", "  ", 1)).expect("written");
    let on = place.sh(line);
    assert!(!on.stderr.contains("is not as it was"), "{}", on.stderr);
}
