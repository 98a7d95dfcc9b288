//! Manual pages and completions are kept in `etc/man` and `etc/completions`, so
//! that a package needs no more than files. They are made here of the command
//! line itself: `UPDATE_EXPECT=1 cargo test --test it manual` renews them.

use std::path::PathBuf;

use clap_complete::Shell;
use clap_mangen::Man;
use expect_test::expect_file;

/// What ends each page.
const FILES: &str = "\
.SH FILES
.TP
/etc/budgetd/budgetd.toml
The configuration; everything in it has a default.
.TP
/etc/budgetd/budgetd.env
Variables for the units of systemd, which win over it: a place for secrets.
.TP
/usr/share/doc/budgetd
How it is operated, the log events, and configurations for what stands around it.
";

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "etc", file].iter().collect()
}

#[test]
fn every_command_has_its_page() {
    let mut program = budgetd::cli::command().disable_help_subcommand(true);
    program.build();
    let mut commands = vec![program.clone()];
    commands.extend(program.get_subcommands().cloned());
    let mut names = Vec::new();
    for command in commands {
        let name = command.get_display_name().unwrap_or(command.get_name());
        let (file, title) = (format!("{name}.1"), name.to_owned());
        let mut page = Vec::new();
        let version = env!("CARGO_PKG_VERSION");
        Man::new(command)
            .title(title)
            .source(format!("budgetd {version}"))
            .render(&mut page)
            .unwrap();
        let page = String::from_utf8(page).unwrap();
        // clap knows exit codes as what comes after the help.
        let page = page.replace(".SH EXTRA\nExit codes:\n", ".SH \"EXIT STATUS\"\n");
        expect_file![path(&format!("man/{file}"))].assert_eq(&format!("{page}{FILES}"));
        names.push(file);
    }
    let mut files: Vec<String> = std::fs::read_dir(path("man"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    files.sort();
    assert_eq!(files, names, "a page without a command");
}

#[test]
fn shells_complete_what_there_is() {
    for (shell, file) in [
        (Shell::Bash, "budgetd.bash"),
        (Shell::Zsh, "_budgetd"),
        (Shell::Fish, "budgetd.fish"),
    ] {
        let mut script = Vec::new();
        let mut command = budgetd::cli::command();
        clap_complete::generate(shell, &mut command, "budgetd", &mut script);
        let script = String::from_utf8(script).unwrap();
        expect_file![path(&format!("completions/{file}"))].assert_eq(&script);
    }
}
