//! What an image's name stands for: there is no registry, a container is a program of this machine.

use std::path::{Path, PathBuf};

/// What a container of an image runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The program on this machine, seen in the container as `/app/NAME`.
    pub(super) program: PathBuf,
    /// Its name in the container.
    pub(super) name: &'static str,
    /// The image's entrypoint: the program and its first arguments.
    pub(super) entrypoint: Vec<String>,
    /// What follows when the pod names neither command nor arguments.
    pub(super) arguments: Vec<String>,
    /// The image's environment, which the pod's overrides.
    pub(super) env: Vec<(String, String)>,
}

/// Looks `reference` up, whatever registry and folder it names.
///
/// # Errors
/// Why it cannot be pulled.
pub(super) fn pull(reference: &str, programs: &super::Programs) -> Result<Image, String> {
    let (name, tag) = split(reference);
    if tag == "does-not-exist" {
        return Err(format!("{reference}: not found"));
    }
    if tag == "crash" {
        let crash = ["/bin/sh", "-c", "echo 'it cannot work like this' >&2; exit 1"];
        return Ok(image(PathBuf::from("/bin/sh"), "sh", &crash));
    }
    match name {
        "demo-app" => {
            let mut image = image(weir(), "weir", &["/app/weir", "demo-app"]);
            image.env = vec![
                ("WEIR_DEMO_APP_LISTEN".to_owned(), "0.0.0.0:8080".to_owned()),
                ("WEIR_DEMO_APP_VERSION".to_owned(), tag.to_owned()),
            ];
            Ok(image)
        }
        "weir" => {
            let mut image = image(weir(), "weir", &["/app/weir"]);
            image.arguments = ["run", "--config", "/etc/weir/weir.yaml"].map(str::to_owned).into();
            image.env = vec![("WEIR_STATE_DIR".to_owned(), "/var/lib/weir".to_owned())];
            Ok(image)
        }
        "echo-basic" if programs.echo().exists() => Ok(image(programs.echo(), "echo-basic", &["/app/echo-basic"])),
        // The conformance suite waits for it, and asks it something only where UDPRoutes are served.
        "coredns" => Ok(image(PathBuf::from("/bin/sh"), "sh", &["/bin/sh", "-c", "while sleep 1; do :; done"])),
        _ => Err(format!("{reference}: this cluster has only weir/demo-app, weir/weir and the conformance suite's")),
    }
}

/// weir: the built program where the compiler says where it is; otherwise this very program, which is weir when called so.
pub(super) fn weir() -> PathBuf {
    option_env!("CARGO_BIN_EXE_weir")
        .map(PathBuf::from)
        .or_else(|| std::env::current_exe().ok())
        .unwrap_or_else(|| PathBuf::from("weir"))
}

fn image(program: PathBuf, name: &'static str, entrypoint: &[&str]) -> Image {
    let entrypoint = entrypoint.iter().map(|part| (*part).to_owned()).collect();
    Image { program, name, entrypoint, arguments: Vec::new(), env: Vec::new() }
}

/// `registry.example:5000/a/b:tag@digest` is `b` and `tag`.
fn split(reference: &str) -> (&str, &str) {
    let named = reference.split('@').next().unwrap_or_default();
    let last = Path::new(named).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    last.split_once(':').unwrap_or((last, "latest"))
}
