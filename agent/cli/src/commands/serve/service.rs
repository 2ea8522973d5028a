//! Owns the service from its start to its end: token, address, first line, signals.
//! Uses `inference::serve` for everything that is asked.
//! Never ends with answers half written: they are cancelled first.

use std::sync::Arc;
use std::time::Duration;

use loci_core::service_token;
use loci_inference::serve::{Models, ServeOptions, serve};
use loci_tui::{Line, Style, visible};

use super::door;
use super::offered::Offered;
use crate::arguments::ServeArguments;
use crate::errors::{Failed, Outcome};
use crate::project::Project;

pub(super) fn run(project: &Project, arguments: &ServeArguments) -> anyhow::Result<Outcome> {
    door::check(project, arguments)?;
    let offered = Offered::new(project, arguments)?;
    let default_model = offered.first().to_owned();
    let token_file = arguments.token_file.clone().unwrap_or_else(|| project.places.state.join("serve-token"));
    let token = service_token::at(&token_file).map_err(|error| {
        Failed::error(format!("{}: {error}", token_file.display()), "name another file with --token-file")
    })?;
    let options = ServeOptions {
        token: token.text.clone(),
        default_model: default_model.clone(),
        sampling: offered.sampling(),
        parallel: usize::from(arguments.parallel),
        queue: usize::from(arguments.queue),
        most_models: usize::from(arguments.most_models),
        keep_alive: (arguments.keep_alive > 0).then(|| Duration::from_secs(arguments.keep_alive)),
        host_names: arguments.allow_host.clone(),
    };
    let runtime = crate::conversation::runtime()?;
    let result = runtime.block_on(async {
        let (door, place) = door::open(arguments).await?;
        let told = until_told()?;
        let key = shell_word(&token_file.display().to_string());
        let how = match &place.base_url {
            Some(url) => format!("export OPENAI_BASE_URL={url} OPENAI_API_KEY=\"$(cat {key})\""),
            None => format!("OPENAI_BASE_URL=http://localhost/v1 through that socket, the key in {key}"),
        };
        let line = Line::new(format!("{} at {}: ", visible(&default_model), place.shown), Style::Plain);
        project.printer.line(&line.with(visible(&how), Style::Tip))?;
        if token.fresh {
            let text = format!("The token, shown this once and kept in {}: ", token_file.display());
            let line = Line::new(visible(&text), Style::Dim);
            project.printer.line(&line.with(&*token.text, Style::Plain))?;
        }
        let models: Arc<dyn Models> = Arc::new(offered);
        let served = serve(door, models, options, told).await;
        place.clear();
        served.map_err(anyhow::Error::from)
    });
    // A model that is being opened must not keep the end waiting.
    runtime.shutdown_background();
    result.map(|()| Outcome::Done)
}

/// Ctrl-C and, where there is one, the signal to end. From now on they are waited for, and end nothing by themselves.
#[cfg(unix)]
fn until_told() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ctrl-C.
#[cfg(not(unix))]
fn until_told() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        // Without a handler the service could only be killed: then it ends at once, and says so by ending.
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// A text as one word of a shell.
fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:@%".contains(&byte);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
