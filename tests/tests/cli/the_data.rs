//! What the program keeps, and who may read it.

use super::*;

#[test]
fn of_the_host_is_for_its_owner_only() {
    let program = program();
    let mut command = program.command(&["co", "list"]);
    let output =
        command.env_remove("PROVENDER_SECRET_KEY").env("PROVENDER_DATA_DIRECTORY", "new").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let new = program.folder().join("new");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&new), 0o700);
    assert_eq!(mode(&new.join("secret.key")), 0o600);
}

#[test]
fn of_a_key_is_shown_once_and_kept_as_a_hash() {
    let program = program();
    let created = program.output(&["key", "create", "--full"]);
    let secret = created.lines().find(|line| line.starts_with("pvk_")).unwrap();
    assert!(!program.json(&["key", "list"]).to_string().contains(secret));
    let data = program.folder().join("data");
    for file in std::fs::read_dir(data).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}
