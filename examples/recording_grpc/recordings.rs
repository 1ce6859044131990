//! The gRPC service, and its few recordings.

use tokio_stream::Iter;
use tonic::{Request, Response, Status, codec::CompressionEncoding::Gzip};

use self::generated::{
    PlayRequest, PlayResponse, Recording, SearchRequest, SearchResponse,
    recordings_server::{Recordings, RecordingsServer},
};

/// Made from `recordings.proto` by `.ci/generate`; `.ci/run` checks that it is up to date.
#[rustfmt::skip]
#[expect(
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "nobody reads it"
)]
#[path = "generated/recordings.v1.rs"]
pub mod generated;

/// A piece of audio in a stream.
const PIECE: usize = 16 * 1024;
/// Bytes of a second of audio: 8 kHz, one byte a sample.
const SECOND: usize = 8_000;

/// id, caller, agent, seconds
const RECORDINGS: [(&str, &str, &str, u32); 4] = [
    ("call-01", "+33123310501", "lea", 31),
    ("call-02", "+33123312602", "lea", 4),
    ("call-03", "+33123310503", "marc", 12),
    ("call-04", "+44207946018", "iris", 1),
];

pub fn service() -> RecordingsServer<Library> {
    RecordingsServer::new(Library).accept_compressed(Gzip).send_compressed(Gzip)
}

/// The recordings whose caller or agent contains `text`.
pub fn search(text: &str) -> impl Iterator<Item = Recording> {
    RECORDINGS
        .iter()
        .filter(move |(_, caller, agent, _)| caller.contains(text) || agent.contains(text))
        .map(|&(id, caller, agent, seconds)| Recording {
            id: id.into(),
            caller: caller.into(),
            agent: agent.into(),
            seconds,
        })
}

pub fn find(id: &str) -> Option<Recording> {
    search("").find(|recording| recording.id == id)
}

#[derive(Debug)]
pub struct Library;

#[tonic::async_trait]
impl Recordings for Library {
    async fn search(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<SearchResponse>, Status> {
        let recordings = search(&request.get_ref().text).collect();
        Ok(Response::new(SearchResponse { recordings }))
    }

    type PlayStream = Iter<std::vec::IntoIter<Result<PlayResponse, Status>>>;

    async fn play(
        &self,
        request: Request<PlayRequest>,
    ) -> Result<Response<Self::PlayStream>, Status> {
        let recording = find(&request.get_ref().id)
            .ok_or_else(|| Status::not_found("there is no such recording"))?;
        let seconds = usize::try_from(recording.seconds).unwrap_or(0);
        let audio: Vec<u8> = (0..=u8::MAX).cycle().take(seconds * SECOND).collect();
        let pieces: Vec<_> = audio
            .chunks(PIECE)
            .map(|piece| Ok(PlayResponse { audio: piece.to_vec().into() }))
            .collect();
        Ok(Response::new(tokio_stream::iter(pieces)))
    }
}
