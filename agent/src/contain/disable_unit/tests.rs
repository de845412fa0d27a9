use super::{State, check, is_masked, mask, parse, unmask};

#[test]
fn one_service_timer_socket_or_path_has_a_name() {
    for unit in ["x.service", "a-b_c.timer", "getty@tty1.service", "dev\\x2dsda.path", "x:1.socket"] {
        assert!(check(unit).is_ok(), "{unit}");
    }
    let long = format!("{}.service", "x".repeat(300));
    for unit in [
        "",
        ".service",
        "x",
        "x.target",
        "x.slice",
        "x.mount",
        "../x.service",
        "a/b.service",
        "-x.service",
        "x y.service",
        "x\n.service",
        &long,
    ] {
        assert!(check(unit).is_err(), "{unit:?}");
    }
}

#[test]
fn what_the_service_manager_shows_is_read() {
    let shown = "Id=x.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nControlGroup=/system.slice/x.service\n";
    let state = parse(shown);
    let wanted = State {
        id: "x.service".into(),
        load: "loaded".into(),
        active: "active".into(),
        enablement: "enabled".into(),
        group: "/system.slice/x.service".into(),
    };
    assert_eq!(state, wanted);
    assert!(state.runs() && !parse("ActiveState=failed\n").runs() && !parse("").runs());
}

#[test]
fn only_a_mask_is_taken_away() {
    let root = tempfile::tempdir().unwrap();
    let path = mask(root.path(), "x.service");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "[Service]\n").unwrap();
    unmask(root.path(), "x.service").unwrap();
    assert!(path.exists() && !is_masked(root.path(), "x.service"), "an administrator's own unit");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    assert!(is_masked(root.path(), "x.service"));
    unmask(root.path(), "x.service").unwrap();
    assert!(path.symlink_metadata().is_err());
}
