use super::*;

fn problems(of: &[(&str, &[&str])]) -> Vec<(Origin, Vec<String>)> {
    let one = |(name, told): &(&str, &[&str])| {
        (Origin::service(&Key::new("shop", *name)), told.iter().map(|text| (*text).to_owned()).collect())
    };
    of.iter().map(one).collect()
}

/// What is to be said, such as `shop/cart: no such port`.
fn say(said: &mut Said, of: &[(&str, &[&str])]) -> Vec<String> {
    said.unsaid(&problems(of)).iter().map(|(origin, problem)| format!("{}: {problem}", origin.key)).collect()
}

#[test]
fn a_problem_is_said_once() {
    let mut said = Said::default();
    let both: &[(&str, &[&str])] = &[("cart", &["no port"]), ("pay", &["no host", "no path"])];
    assert_eq!(say(&mut said, both), ["shop/cart: no port", "shop/pay: no host", "shop/pay: no path"]);
    assert_eq!(say(&mut said, both), [""; 0]);
    assert_eq!(say(&mut said, &[("cart", &["no port", "no host"])]), ["shop/cart: no host"], "only what is new");
}

#[test]
fn the_same_problem_is_said_again_when_it_comes_back() {
    let mut said = Said::default();
    let broken: &[(&str, &[&str])] = &[("cart", &["no port"]), ("pay", &["no host"])];
    assert_eq!(say(&mut said, broken).len(), 2);
    assert_eq!(say(&mut said, &broken[..1]), [""; 0]);
    assert_eq!(said.0.len(), 1, "what is over is not remembered");
    assert_eq!(say(&mut said, broken), ["shop/pay: no host"]);
}

#[test]
fn two_parts_of_a_plan_may_have_something_to_say_of_one_object() {
    let mut said = Said::default();
    let twice: &[(&str, &[&str])] = &[("cart", &["no port"]), ("cart", &["no host", "no port"])];
    assert_eq!(say(&mut said, twice).len(), 2);
    assert_eq!(say(&mut said, twice), [""; 0]);
}
