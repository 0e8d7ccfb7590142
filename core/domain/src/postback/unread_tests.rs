//! What of a postback is not read, and told.

use super::*;
use crate::entity::parse;
use serde_json::json;

fn network() -> NetworkSpec {
    parse(json!({"slug": "adnet", "name": "Ad network"})).expect("valid")
}

fn template(more: &serde_json::Value) -> TemplateSpec {
    let mut spec = json!({"network": "net_0000000000000000000", "slug": "web", "name": "Web"});
    spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    parse(spec).expect("valid")
}

fn params(said: &str) -> Vec<(String, String)> {
    let pairs = said.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn a_sale_of_nothing_is_told_with_the_parameter_that_may_be_its_payout() {
    let create = "tfx template create --network adnet --slug default --name Default";
    let table = [
        (
            "click_id=X&commission=5&txn=A1",
            Some(format!("{create} --payout-param commission --transaction-param txn")),
        ),
        ("click_id=X&tid=T1&commission=5&txn=A1", Some(format!("{create} --payout-param commission"))),
        (
            "click_id=X&sub1=3&publisher_commission=5,00",
            Some(format!("{create} --payout-param publisher_commission")),
        ),
        ("click_id=X&x=5", Some(format!("{create} --payout-param x"))),
        ("click_id=X&x=5&y=6", Some(format!("{create} --payout-param PARAMETER"))),
        ("click_id=X&total=5 EUR", Some(format!("{create} --payout-param total"))),
        ("click_id=X&payout=NaN", Some(format!("{create} --default-payout AMOUNT"))),
        ("click_id=X&payout=none&commission=5", Some(format!("{create} --default-payout AMOUNT"))),
        // Told by itself; said; nothing that could be money.
        ("click_id=X&payout={payout}", None),
        ("click_id=X&payout=0&commission=5", None),
        ("click_id=X&commission=0", None),
        ("click_id=X&at=1772360000000&geo=DE&empty=", None),
        ("click_id=X&secret=12345", None),
        ("click_id=X", None),
    ];
    for (said, want) in table {
        let found = unread_payout(&network(), None, None, &params(said));
        assert_eq!(found.map(|(_, command)| command), want, "{said}");
    }
    let update = "tfx template update adnet/web --payout-param commission";
    let web = template(&json!({"params": {"transaction_id": "order"}}));
    let found = unread_payout(&network(), Some(&web), Some(&web), &params("click_id=X&commission=5&order=7"));
    assert_eq!(found.map(|(_, command)| command).as_deref(), Some(update));
    let decided = template(&json!({"defaults": {"payout": "0"}}));
    assert_eq!(unread_payout(&network(), Some(&decided), None, &params("click_id=X&commission=5")), None);
}

#[test]
fn macros_in_place_of_money_are_told_unless_the_template_says_what_holds() {
    let said = params("status={status}&payout=%7Bpayout%7D&currency=[CUR]&sum=");
    let told = |template: Option<&TemplateSpec>, said: &[(String, String)]| -> Vec<String> {
        left_macros(template, said).into_iter().map(|left| left.name.to_owned()).collect()
    };
    assert_eq!(told(None, &said), ["payout", "currency"], "a status is told as a word that nobody knows");
    let web = template(&json!({"defaults": {"status": "sale", "payout": "5"}}));
    assert_eq!(told(Some(&web), &said), ["currency", "status"]);
    assert_eq!(told(None, &params("payout={payout}&sum=5")), [""; 0], "another name says it");
    assert!(left_macros(None, &said)[0].said().contains("payout='%7Bpayout%7D' as it is"));
}

#[test]
fn amounts_of_a_group_say_by_which_mark_they_are_written() {
    use DecimalMark::{Auto, Comma, Point};
    let table: [(&[&str], Option<WrittenBy>); 9] = [
        (&["1,5", "12,50"], Some(WrittenBy::Mark(Comma))),
        (&["€5"], Some(WrittenBy::Mark(Auto))),
        (&["€5", "5.50 EUR"], Some(WrittenBy::Mark(Point))),
        (&["1.234,50"], Some(WrittenBy::Mark(Comma))),
        (&["1,234.50"], Some(WrittenBy::Mark(Point))),
        (&["12,50", "1,234.50"], Some(WrittenBy::Mark(Auto))),
        (&["1.234"], Some(WrittenBy::PointOrComma)),
        (&["1.234", "1.234,50"], Some(WrittenBy::Mark(Comma))),
        (&["1,5", "five"], None),
    ];
    for (said, want) in table {
        let said: Vec<String> = said.iter().map(|one| (*one).to_owned()).collect();
        assert_eq!(written_by(None, &said), want, "{said:?}");
    }
}
