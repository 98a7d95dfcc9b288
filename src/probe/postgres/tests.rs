use super::*;

#[test]
fn a_server_in_recovery_is_ready_only_where_any_will_do() {
    let error = observe(ServerAccess::Primary, true, true).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotReady);

    let note =
        |access, in_recovery, read_only| observe(access, in_recovery, read_only).unwrap().note;
    assert!(
        note(ServerAccess::Any, true, true)
            .unwrap()
            .contains("recovery")
    );
    assert!(
        note(ServerAccess::Primary, false, true)
            .unwrap()
            .contains("read-only")
    );
    assert_eq!(note(ServerAccess::Primary, false, false), None);
}
