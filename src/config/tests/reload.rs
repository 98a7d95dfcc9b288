use super::*;

#[test]
fn a_change_that_a_variable_hides_is_found() {
    let before = given()
        .file("checks.fall = 3\ncache.retries = 1\nlog.level = 'info'")
        .variable("BUDGETD__CHECKS__FALL", "9")
        .variable("REDIS_MAX_RETRIES", "2");
    let old = before.loaded();
    let path = &before.sources.files[0];
    std::fs::write(
        path,
        "checks.fall = 4\ncache.retries = 1\nlog.level = 'warn'",
    )
    .unwrap();
    let new = before.loaded();
    let hidden = hidden_changes(&old, &new);
    assert_eq!(hidden.len(), 1, "{hidden:?}");
    assert_eq!(
        hidden[0].to_string(),
        "the change of checks.fall is hidden by the variable BUDGETD__CHECKS__FALL"
    );
    assert_eq!(hidden_changes(&new, &new), []);
}

#[test]
fn a_port_from_a_variable_does_not_hide_a_new_host() {
    let given = given()
        .file("api.listen = '127.0.0.1:1'")
        .variable("API_PORT", "2");
    let old = given.loaded();
    std::fs::write(&given.sources.files[0], "api.listen = '127.0.0.2:1'").unwrap();
    let new = given.loaded();
    assert_eq!(hidden_changes(&old, &new), []);
    std::fs::write(&given.sources.files[0], "api.listen = '127.0.0.2:3'").unwrap();
    assert_eq!(hidden_changes(&new, &given.loaded()).len(), 1);
}
