//! That the server, which the other tests take for one of SCIM, is one.

use provender_tests::scim;

#[test]
fn the_server_passes_the_checks_of_its_suite() {
    let checks = scim::checks().unwrap();
    assert!(checks.len() > 100, "{checks:#?}");
    let failed: Vec<&String> = checks.iter().filter(|check| !check.starts_with("[\"SUCCESS\"")).collect();
    assert_eq!(failed, Vec::<&String>::new());
}
