//! What no restart mends: it ends in one clear line, the right exit code, and a
//! unit that has failed.

use super::{Machine, UNIT};
use crate::support::{DaemonOptions, drop_in};

/// What is wrong with a machine, and what is to be said of it.
struct Wrong<'a> {
    config: &'a str,
    unit: &'a str,
    code: &'a str,
    /// Whether it is tried again.
    again: bool,
    line: &'a str,
}

impl Wrong<'_> {
    async fn show(&self, machine: &Machine) {
        machine.write_config(self.config);
        machine.edit(UNIT, self.unit).await;
        let (code, state) = machine.fail_to_start().await;
        let journal = machine.journal_text().await;
        assert_eq!(code, self.code, "{journal}");
        let expected = if self.again { "auto-restart" } else { "failed" };
        assert_eq!(state, expected, "{journal}");
        machine.until_said(UNIT, self.line).await;
        machine.must(&["systemctl", "stop", UNIT]).await;
        machine.must(&["journalctl", "--rotate"]).await;
        machine.must(&["journalctl", "--vacuum-size=1"]).await;
    }
}

#[tokio::test]
async fn each_ends_in_a_clear_line_and_the_right_code() {
    let options =
        DaemonOptions::default().variable("BUDGETD__ADMIN__LISTEN", "unix:/run/budgetd/admin.sock");
    let machine = Machine::boot(options);
    for wrong in [
        Wrong {
            config: "nonsense = 1",
            unit: "",
            code: "78",
            again: false,
            line: "nonsense",
        },
        Wrong {
            config: "",
            unit: "[Service]\nWatchdogSec=2s",
            code: "78",
            again: false,
            line: "cannot keep a watchdog of 2s fed: checks prove their progress once every 1000 ms; set WatchdogSec= to 4s or more",
        },
        Wrong {
            config: "",
            unit: "[Service]\nExecStart=\nExecStart=/usr/bin/budgetd run --nonsense",
            code: "2",
            again: false,
            line: "unexpected argument '--nonsense'",
        },
        Wrong {
            config: "",
            unit: "[Service]\nInaccessiblePaths=/etc/budgetd/budgetd.toml",
            code: "78",
            again: false,
            line: "/etc/budgetd/budgetd.toml: it cannot be read: Permission denied",
        },
        // The files that the drop-in names are not there.
        Wrong {
            config: "",
            unit: &drop_in("credentials.conf"),
            code: "243",
            again: false,
            line: "Main process exited, code=exited, status=243/CREDENTIALS",
        },
        Wrong {
            config: "",
            unit: "[Service]\nRuntimeDirectory=",
            code: "71",
            again: true,
            line: "cannot listen on unix:/run/budgetd/admin.sock: /run/budgetd does not exist; create it (systemd: `RuntimeDirectory=`)",
        },
        Wrong {
            config: "",
            unit: "[Service]\nRuntimeDirectoryMode=0500",
            code: "71",
            again: true,
            line: "Permission denied (os error 13); make /run/budgetd writable for this user",
        },
    ] {
        wrong.show(&machine).await;
    }
}
