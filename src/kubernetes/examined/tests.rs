use serde_json::{Value, json};

use super::*;

fn world(specs: &[(&str, i64, Value)]) -> World {
    let mut world = World::default();
    for (name, generation, spec) in specs {
        let release = json!({
            "apiVersion": "weir.dev/v1alpha1", "kind": "CanaryRelease", "spec": spec,
            "metadata": { "namespace": "shop", "name": name, "uid": name, "generation": generation },
        });
        world.canary_releases.put(serde_json::from_value(release).unwrap());
    }
    world
}

fn with_steps(steps: &[&str]) -> Value {
    let steps: Vec<_> = steps.iter().map(|weight| json!({ "weight": weight })).collect();
    json!({ "targetRef": { "kind": "Deployment", "name": "app" }, "steps": steps })
}

fn wrong(examined: &Examined) -> Vec<(String, String)> {
    examined.rejected().into_iter().map(|(origin, refused)| (origin.key.to_string(), refused.message)).collect()
}

#[test]
fn rules_that_make_no_sense_are_told_before_there_is_a_canary_and_until_they_do() {
    let mut examined = Examined::default();
    examined.look(&world(&[("bad", 1, with_steps(&["50%", "5%"])), ("good", 1, with_steps(&["5%", "50%"]))]));
    let said = wrong(&examined);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].0 == "shop/bad" && said[0].1.starts_with("spec.steps"), "{said:?}");
    examined.look(&world(&[("bad", 2, with_steps(&["5%"])), ("good", 2, with_steps(&["5%", "1%"]))]));
    let said = wrong(&examined);
    assert_eq!(said.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["shop/good"]);
    examined.look(&world(&[]));
    assert_eq!(wrong(&examined), []);
}

#[test]
fn of_a_group_the_rules_of_the_first_count() {
    let grouped = |steps: &[&str]| {
        let mut spec = with_steps(steps);
        spec["group"] = "all".into();
        spec
    };
    let mut examined = Examined::default();
    examined.look(&world(&[("a", 1, grouped(&["5%", "50%"])), ("b", 1, grouped(&["50%", "5%"]))]));
    assert_eq!(wrong(&examined), []);
}
