//! Owns the archive as the tool `recall` sees it: the project's sessions other than the one at work.
//! Uses the archive, opened anew for each question, so that nothing is held between them.
//! Never answers with a passage of the session at work: that one has its own memory.

use std::path::{Path, PathBuf};

use super::{Archive, Ask, entry};
use crate::config::{Embeddings, Places};
use crate::meaning;
use crate::session::{Resume, resume};
use crate::tools::{Found, OlderSessions, OtherSession, Remembered};

/// The project's other sessions.
#[derive(Debug, Clone)]
pub struct Older {
    places: Places,
    root: PathBuf,
    own: String,
    embeddings: Embeddings,
}

impl Older {
    /// The sessions of the project at `root` without the session `own`.
    #[must_use]
    pub fn new(places: &Places, root: &Path, own: &str, embeddings: &Embeddings) -> Self {
        Self { places: places.clone(), root: root.into(), own: own.into(), embeddings: embeddings.clone() }
    }
}

impl OlderSessions for Older {
    fn entry(&self, session: &str, number: usize) -> Result<Remembered, String> {
        let logs = self.places.sessions(&self.root);
        let id = resume::find(&logs, &Resume::Id(session.into())).map_err(|error| error.to_string())?;
        entry(&logs, &id, number).map_err(|error| error.to_string())
    }

    fn find(&self, query: &str, limit: usize) -> Result<Vec<Found>, String> {
        let archive = Archive::open(&self.places, &self.root, meaning::light(&self.embeddings))
            .map_err(|error| error.to_string())?;
        let ask = Ask { words: query, limit, session: None, except: Some(&self.own) };
        let hits = archive.search(&ask).map_err(|error| error.to_string())?;
        Ok(hits
            .into_iter()
            .map(|hit| Found {
                handle: format!("{}/{}", hit.session, hit.handle),
                turn: hit.turn,
                title: hit.title,
                text: hit.text,
                session: Some(OtherSession { id: hit.session, date: hit.date, about: hit.about }),
            })
            .collect())
    }
}
