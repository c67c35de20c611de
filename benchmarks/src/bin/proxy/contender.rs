//! The proxies: how each is configured and started, on a core of its own, and how it is ended.

use crate::usage;
use fusebox_benchmarks::pin;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A proxy to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Fusebox(PathBuf),
    Nginx,
    Haproxy,
}

/// What it is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Forward as fast as it can, fusebox with its policies on, the others as they usually are.
    Forward,
    /// Cope with a fault: one retry, 500 ms per attempt, an endpoint taken out at 10 failures, for 2 s.
    Cope,
}

/// A proxy that runs; it ends when this is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Contender {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Contender::Fusebox(_) => "fusebox",
            Contender::Nginx => "nginx",
            Contender::Haproxy => "HAProxy",
        }
    }

    /// Its version, or what to install.
    pub(crate) fn version(&self) -> Result<String, String> {
        let (program, args, package) = match self {
            Contender::Fusebox(path) => (path.to_string_lossy().into_owned(), "--version", None),
            Contender::Nginx => ("nginx".into(), "-v", Some("nginx-light")),
            Contender::Haproxy => ("haproxy".into(), "-v", Some("haproxy")),
        };
        let line = fusebox_benchmarks::machine::first_line(&program, &[args]);
        line.ok_or_else(|| match package {
            Some(package) => format!("{program} is not installed: apt-get install {package}"),
            None => format!("{program} does not run"),
        })
    }

    /// Starts it on `core`, before the backends at `upstreams`, and waits until it accepts connections.
    pub(crate) fn start(&self, task: Task, upstreams: &[SocketAddr], core: usize) -> io::Result<Running> {
        let directory = tempfile::Builder::new().prefix("fusebox-bench-").tempdir()?;
        let (address, admin) = (free_port()?, free_port()?);
        let at = directory.path();
        let mut command = match self {
            Contender::Fusebox(program) => {
                let file = written(at, "fusebox.toml", &fusebox_toml(task, address, admin, upstreams))?;
                let mut command = Command::new(program);
                command.args(["run", "--config"]).arg(file);
                command
            }
            Contender::Nginx => {
                let file = written(at, "nginx.conf", &nginx_conf(task, at, address, upstreams))?;
                let mut command = Command::new("nginx");
                command.arg("-p").arg(at).arg("-e").arg(at.join("start.log")).arg("-c").arg(file);
                command
            }
            Contender::Haproxy => {
                let file = written(at, "haproxy.cfg", &haproxy_cfg(task, address, upstreams))?;
                let mut command = Command::new("haproxy");
                command.arg("-db").arg("-f").arg(file);
                command
            }
        };
        let output = File::create(at.join("output.log"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // A child inherits the core of the thread that starts it, from its first instruction on.
        let started =
            std::thread::spawn(move || pin::this_thread(core).and_then(|()| command.spawn())).join();
        let child = started.map_err(|_| io::Error::other("the starting thread panicked"))??;
        let mut running = Running { address, child, _directory: directory };
        running.wait_until_it_accepts(self.name())?;
        Ok(running)
    }
}

impl Running {
    /// CPU time and memory of the proxy with all its processes.
    pub(crate) fn usage(&self) -> usage::Usage {
        usage::of(self.child.id())
    }

    fn wait_until_it_accepts(&mut self, name: &str) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > patience {
                let output =
                    fs::read_to_string(self._directory.path().join("output.log")).unwrap_or_default();
                return Err(io::Error::other(format!("{name} did not start ({ended:?}): {}", output.trim())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let root = self.child.id();
        let all = |signal| {
            for pid in
                usage::descendants(root).iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?))
            {
                let _ = kill_process(pid, signal);
            }
        };
        all(Signal::TERM);
        let patience = Instant::now() + Duration::from_secs(2);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Ok(None) = self.child.try_wait() {
            all(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.local_addr()
}

fn written(directory: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let file = directory.join(name);
    fs::write(&file, text)?;
    Ok(file)
}

fn fusebox_toml(task: Task, address: SocketAddr, admin: SocketAddr, upstreams: &[SocketAddr]) -> String {
    let endpoints: Vec<String> = upstreams.iter().map(|upstream| format!("\"http://{upstream}\"")).collect();
    let policies = match task {
        Task::Forward => {
            "call_timeout = \"5s\"\ndeadline = \"15s\"\n[service.retry]\nmax_attempts = 2\n\
            [service.fallback]\nstatus = 503\nbody = \"later\"\n"
        }
        Task::Cope => {
            "order = \"retry_outside\"\ncall_timeout = \"500ms\"\n[service.retry]\nmax_attempts = 2\n\
            [service.breaker]\nwait_in_open = { fixed = \"2s\", jitter = 0 }\n"
        }
    };
    format!(
        "[admin]\nlisten = \"{admin}\"\n[[listener]]\nlisten = \"{address}\"\n\
         [[service]]\nname = \"bench\"\nendpoints = [{}]\n{policies}",
        endpoints.join(", ")
    )
}

fn nginx_conf(task: Task, directory: &Path, address: SocketAddr, upstreams: &[SocketAddr]) -> String {
    let servers: String = upstreams
        .iter()
        .map(|upstream| format!("server {upstream} max_fails=10 fail_timeout=2s;\n"))
        .collect();
    let directory = directory.display();
    let coping = match task {
        Task::Forward => "",
        Task::Cope => {
            "proxy_connect_timeout 500ms; proxy_read_timeout 500ms; proxy_next_upstream_tries 2;
            proxy_next_upstream error timeout http_503;"
        }
    };
    format!(
        "user root; daemon off; worker_processes 1; worker_rlimit_nofile 8192; pid {directory}/nginx.pid;
        error_log {directory}/error.log crit;
        events {{ worker_connections 8192; }}
        http {{
            access_log off; keepalive_requests 1000000000;
            client_body_temp_path {directory}/1; proxy_temp_path {directory}/2; fastcgi_temp_path {directory}/3;
            uwsgi_temp_path {directory}/4; scgi_temp_path {directory}/5;
            upstream backend {{ {servers} keepalive 64; keepalive_requests 1000000000; }}
            server {{
                listen {address} backlog=4096;
                location / {{
                    proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection \"\"; {coping}
                }}
            }}
        }}"
    )
}

fn haproxy_cfg(task: Task, address: SocketAddr, upstreams: &[SocketAddr]) -> String {
    let (timeout, coping, server) = match task {
        Task::Forward => ("5s", "", ""),
        Task::Cope => (
            "500ms",
            "    retries 1\n    option redispatch 1\n    retry-on all-retryable-errors\n    option httpchk GET /health\n",
            " check inter 500ms rise 2 fall 2 observe layer7 error-limit 10 on-error mark-down",
        ),
    };
    let servers: String = upstreams
        .iter()
        .enumerate()
        .map(|(number, upstream)| format!("    server s{number} {upstream}{server}\n"))
        .collect();
    format!(
        "global\n    nbthread 1\n    maxconn 4096\n\
         defaults\n    mode http\n    timeout connect 1s\n    timeout client 30s\n    timeout server {timeout}\n    \
         http-reuse always\n    option http-keep-alive\n\
         frontend front\n    bind {address} backlog 4096\n    default_backend back\n\
         backend back\n    balance roundrobin\n{coping}{servers}"
    )
}
