use super::*;

fn read(lines: &[(&str, &str)]) -> Option<(Canary, Vec<String>)> {
    Canary::read(&lines.iter().map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned())).collect())
}

#[test]
fn without_the_switch_there_is_no_canary() {
    assert_eq!(read(&[("canary-weight", "5")]), None);
    assert_eq!(read(&[("canary", "false"), ("canary-weight", "5")]), None);
    assert!(read(&[("canary", "true")]).is_some());
}

#[test]
fn a_weight_is_a_share_of_its_total() {
    let weight = |lines: &[(&str, &str)]| read(&[&[("canary", "true")], lines].concat()).unwrap().0.weight;
    assert_eq!(weight(&[("canary-weight", "5")]), Ratio::percent(5));
    assert_eq!(weight(&[("canary-weight", "5"), ("canary-weight-total", "1000")]).ppm(), 5_000);
    assert_eq!(weight(&[("canary-weight", "200")]), Ratio::ONE, "more than everything is everything");
    assert_eq!(weight(&[]), Ratio::ZERO);
}

#[test]
fn a_value_counts_more_than_a_pattern() {
    let rule = |lines: &[(&str, &str)]| {
        let header = [("canary", "true"), ("canary-by-header", "X-Canary")];
        read(&[&header, lines].concat()).unwrap().0.header.unwrap().rule
    };
    assert_eq!(rule(&[]), HeaderRule::AlwaysNever);
    assert_eq!(rule(&[("canary-by-header-pattern", "^b")]), HeaderRule::Pattern("^b".to_owned()));
    let both = [("canary-by-header-pattern", "^b"), ("canary-by-header-value", "beta")];
    assert_eq!(rule(&both), HeaderRule::Value("beta".to_owned()));
}

#[test]
fn what_cannot_be_read_is_told() {
    let (canary, problems) = read(&[("canary", "true"), ("canary-weight", "5%")]).unwrap();
    assert_eq!(canary.weight, Ratio::ZERO);
    assert!(problems[0].contains("canary-weight: `5%` is not a whole number"), "{problems:?}");
}

#[test]
fn a_cookie_is_found_among_others_and_never_within_another() {
    let (canary, _) = read(&[("canary", "true"), ("canary-by-cookie", "beta")]).unwrap();
    let [always, never] =
        canary.cookie_patterns().unwrap().map(|text| regex::Regex::new(&format!("^(?:{text})$")).unwrap());
    for value in ["beta=always", "a=b; beta=always", "beta=always; a=b", "x=1; beta=always; y=2"] {
        assert!(always.is_match(value) && !never.is_match(value), "{value}");
    }
    for value in ["beta=always2", "xbeta=always", "beta=never", "a=beta=always", "beta="] {
        assert!(!always.is_match(value), "{value}");
    }
    assert!(never.is_match("beta=never"));
}
