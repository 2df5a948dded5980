use super::*;

#[test]
fn the_tree_of_commands_is_sound() {
    Cli::tree().debug_assert();
}

#[test]
fn every_option_has_a_variable() {
    fn check(command: &clap::Command, wrong: &mut Vec<String>) {
        for option in command.get_arguments().filter(|arg| !arg.is_positional()) {
            let id = option.get_id().as_str();
            let variable = option.get_env().map(|name| name.to_string_lossy().into_owned());
            let good = variable.is_some_and(|name| name.starts_with("WEIR_"));
            if !good && !matches!(id, "help" | "version") {
                wrong.push(format!("{} --{id}", command.get_name()));
            }
        }
        command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(|sub| check(sub, wrong));
    }
    let mut tree = Cli::tree();
    tree.build();
    let mut wrong = Vec::new();
    check(&tree, &mut wrong);
    assert!(wrong.is_empty(), "no WEIR_ variable: {wrong:?}");
}

#[test]
fn every_command_and_option_says_what_it_is() {
    fn check(command: &clap::Command) {
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} has no text", sub.get_name());
            check(sub);
        }
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{} {} has no text", command.get_name(), arg.get_id());
        }
    }
    check(&Cli::tree());
}

#[test]
fn a_release_may_be_left_out() {
    for (line, release) in [
        (&["weir", "promote"][..], None),
        (&["weir", "abort", "shop"], Some("shop")),
        (&["weir", "set-weight", "10%"], None),
        (&["weir", "set-weight", "shop", "0.5%"], Some("shop")),
    ] {
        let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let parsed = format!("{:?}", cli.command);
        let expected = release.map_or_else(|| "release: None".to_owned(), |name| format!("release: Some({name:?})"));
        assert!(parsed.contains(&expected), "{line:?}: {parsed}");
    }
}

#[test]
fn a_weight_is_a_percentage() {
    let error = Cli::try_parse_from(["weir", "set-weight", "shop", "10"]).unwrap_err().to_string();
    assert!(error.contains("write it like 5%"), "{error}");
    assert!(Cli::try_parse_from(["weir", "set-weight", "shop", "101%"]).is_err());
}

#[test]
fn completions_and_manual_pages_are_made_for_every_shell_and_command() {
    use clap::ValueEnum;
    for shell in clap_complete::Shell::value_variants() {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::tree(), "weir", &mut script);
        assert!(String::from_utf8(script).unwrap().contains("set-weight"), "{shell}");
    }
    let mut tree = Cli::tree();
    tree.build();
    for sub in tree.get_subcommands() {
        let mut page = Vec::new();
        clap_mangen::Man::new(sub.clone()).render(&mut page).unwrap();
        assert!(page.starts_with(b".ie"), "{}", sub.get_name());
    }
}

#[test]
fn the_only_release_is_meant_when_none_is_named() {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(change::choose(None, &names(&["shop"])).unwrap(), "shop");
    assert_eq!(change::choose(Some("cart"), &names(&["shop"])).unwrap(), "cart");
    assert!(change::choose(None, &names(&["cart", "shop"])).unwrap_err().to_string().contains("cart, shop"));
    assert!(change::choose(None, &[]).unwrap_err().to_string().contains("no release"));
}
