//! What the program says of itself.

use super::*;

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let words =
        commands.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    words.filter(|word| *word != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_help() {
    let program = program();
    let commands = listed(&program.output(&["--help"]));
    for expected in [
        "serve",
        "demo",
        "import",
        "plugin",
        "server",
        "target",
        "provision",
        "services",
        "changes",
        "check",
        "invocation",
        "key",
    ] {
        assert!(commands.iter().any(|command| command == expected), "{expected}: {commands:?}");
    }
    for command in &commands {
        let help = program.output(&[command, "--help"]);
        assert_contains(&help, &["Usage: "]);
        for below in listed(&help) {
            assert_contains(&program.output(&[command, &below, "--help"]), &["Usage: "]);
        }
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_helps() {
    let program = program();
    for (arguments, complaint) in [
        (&[][..], "Usage: "),
        (&["nonsense"][..], "unrecognized subcommand 'nonsense'"),
        (&["import"][..], "--co"),
        (&["services", "--co", "physics"][..], "--person"),
        (&["target", "put", "t", "--co", "physics", "--plugin", "p", "--limit", "fuel=lots"][..], "lots"),
    ] {
        let ended = program.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}");
        assert_contains(&ended.stderr, &[complaint]);
    }
}

#[test]
fn the_version_is_told() {
    assert_eq!(program().output(&["--version"]).trim(), "provender 0.1.0");
}
