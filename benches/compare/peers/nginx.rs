//! nginx.

use std::path::Path;

use super::Room;
use crate::support::{Process, find};

pub(super) fn start(folder: &Path, port: u16, workers: usize, body: &str, room: Room) -> Process {
    let here = folder.display();
    // All of them may meet the same worker.
    let connections = match room {
        Room::Default => String::new(),
        Room::Clients(count) => format!("worker_connections {}; ", count + 100),
    };
    let settings = format!(
        "worker_processes {workers}; daemon off; error_log stderr crit; pid {here}/nginx.pid;\n\
         events {{ {connections}}}\n\
         http {{\n\
         access_log off; client_body_temp_path {here}/b; proxy_temp_path {here}/p;\n\
         fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;\n\
         keepalive_requests 1000000000; default_type application/json;\n\
         server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 200 \"{body}\"; }} }}\n\
         }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, settings).expect("the folder is writable");
    let file = file.display().to_string();
    let arguments = ["-e", "stderr", "-p", &here.to_string(), "-c", &file];
    let program = find("nginx", "nginx-light");
    Process::start("nginx", &program, folder, &arguments.map(ToOwned::to_owned))
}
