use std::fs;
use std::path::Path;

use super::*;

/// The YAML files of the definitions are what the types say, in the folder that is applied and in the chart.
#[test]
fn the_definitions_in_deploy_are_those_of_the_types() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for (name, definition) in definitions() {
        let fresh = yaml(&definition).unwrap();
        for folder in ["crds", "helm/weir-crds/templates"] {
            let path = deploy.join(folder).join(name);
            if std::env::var_os("WEIR_BLESS").is_some() {
                fs::write(&path, &fresh).unwrap();
            }
            let there = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                there == fresh,
                "{} is out of date: run `WEIR_BLESS=1 cargo test kubernetes::release`",
                path.display()
            );
        }
    }
}
