/** What was taken in the session: photos to look at and download, recordings with how far they are. */

import { useState } from "preact/hooks";
import type { VNode } from "preact";

import { formatSize, formatTime } from "../i18n";
import type { Media } from "../signalling/protocol";
import { useSession, useTexts, useView } from "./context";
import { Dialog } from "./dialog";
import { CloseIcon, DownloadIcon, EyeIcon, NextIcon, PhotoIcon, PlayIcon, PositionIcon, PreviousIcon } from "./icons";

const IN_WORK = new Set(["starting", "recording", "stopping", "queued", "processing", "uploading"]);
const READY = new Set(["completed", "partial"]);

export function photosOf(medias: readonly Media[]): Media[] {
  return medias.filter(({ type }) => type.startsWith("image/"));
}

export function recordingsOf(medias: readonly Media[]): Media[] {
  return medias.filter(({ type, status }) => type.startsWith("video/") && status !== "deleted");
}

export function isInWork(media: Media): boolean {
  return IN_WORK.has(media.status);
}

/** Beside the stage, below the name of the case. */
export function SidePanel(): VNode {
  const { embedded } = useView();
  const { room } = useSession();
  const texts = useTexts();
  return (
    <aside class="side">
      {!embedded && (
        <header class="side-head">
          <p class="brand">
            <EyeIcon />
            {texts.product}
          </p>
          {room?.reference && <p class="reference">{room.reference}</p>}
        </header>
      )}
      <Gallery />
    </aside>
  );
}

export function Gallery(): VNode {
  const { medias } = useSession();
  const { gallery } = useTexts();
  const [openHash, setOpenHash] = useState<string | null>(null);
  const photos = photosOf(medias);
  const recordings = recordingsOf(medias);
  const index = photos.findIndex(({ hash }) => hash === openHash);
  const newestFirst = photos.map((photo, position) => ({ photo, number: position + 1 })).reverse();
  return (
    <section class="gallery" aria-label={gallery.title}>
      <h2>{gallery.title}</h2>
      {photos.length + recordings.length === 0 && (
        <div class="gallery-empty">
          <PhotoIcon />
          <p>{gallery.empty}</p>
          <p class="quiet">{gallery.emptyHint}</p>
        </div>
      )}
      {recordings.length > 0 && (
        <ul class="recordings" aria-label={gallery.recordings}>
          {recordings.map((media) => (
            <li key={media.hash}>
              <RecordingItem media={media} />
            </li>
          ))}
        </ul>
      )}
      {photos.length > 0 && (
        <ul class="photos" aria-label={gallery.photos}>
          {newestFirst.map(({ photo, number }) => (
            <li key={photo.hash}>
              <PhotoButton photo={photo} number={number} onOpen={() => setOpenHash(photo.hash)} />
            </li>
          ))}
        </ul>
      )}
      {index >= 0 && (
        <PhotoDialog
          photos={photos}
          index={index}
          onShow={(next) => setOpenHash(photos[next]?.hash ?? null)}
          onClose={() => setOpenHash(null)}
        />
      )}
    </section>
  );
}

function PhotoButton({ photo, number, onOpen }: { photo: Media; number: number; onOpen: () => void }): VNode {
  const { language } = useView();
  const { gallery } = language.messages;
  const time = formatTime(photo.created, language.locale);
  const name = gallery.photo(number, time);
  return (
    <button type="button" class="photo" data-testid="snapshot" onClick={onOpen}>
      <img src={photo.url} alt={photo.location ? `${name}, ${gallery.located}` : name} decoding="async" draggable={false} />
      <span class="photo-caption" aria-hidden="true">
        {time}
        {photo.location && <PositionIcon />}
      </span>
    </button>
  );
}

interface PhotoDialogProps {
  photos: Media[];
  index: number;
  onShow: (index: number) => void;
  onClose: () => void;
}

function PhotoDialog({ photos, index, onShow, onClose }: PhotoDialogProps): VNode | null {
  const { language } = useView();
  const { gallery } = language.messages;
  const photo = photos[index];
  if (!photo) return null;
  const title = gallery.photo(index + 1, formatTime(photo.created, language.locale));
  const step = (by: number): void => {
    if (photos[index + by]) onShow(index + by);
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  };
  return (
    <Dialog title={title} wide onClose={onClose}>
      <div class="viewer" onKeyDown={onKey}>
        <img class="viewer-picture" src={photo.url} alt={title} />
        <div class="viewer-bar">
          <button
            type="button"
            class="button"
            aria-label={gallery.previous}
            disabled={index === 0}
            onClick={() => step(-1)}
          >
            <PreviousIcon />
          </button>
          <button
            type="button"
            class="button"
            aria-label={gallery.next}
            disabled={index === photos.length - 1}
            onClick={() => step(1)}
          >
            <NextIcon />
          </button>
          <span class="viewer-gap" />
          <a class="button" href={photo.url} download={`${photo.title}.jpg`}>
            <DownloadIcon />
            <span>{gallery.download}</span>
          </a>
          <button type="button" class="button" aria-label={gallery.close} onClick={onClose}>
            <CloseIcon />
          </button>
        </div>
      </div>
    </Dialog>
  );
}

function RecordingItem({ media }: { media: Media }): VNode {
  const { language } = useView();
  const { gallery, recordingStatus } = language.messages;
  const [playing, setPlaying] = useState(false);
  const ready = READY.has(media.status);
  const title = gallery.recordingAt(formatTime(media.created, language.locale));
  const size = media.filesize ? ` · ${formatSize(media.filesize, language.locale)}` : "";
  return (
    <div class={`recording ${media.status}`}>
      <button
        type="button"
        class="recording-play"
        aria-label={`${gallery.play}, ${title}`}
        disabled={!ready}
        onClick={() => setPlaying(true)}
      >
        <PlayIcon />
      </button>
      <div class="recording-text">
        <p>{title}</p>
        <p class="quiet">
          {recordingStatus[media.status]}
          {ready && size}
        </p>
        {media.status === "processing" && media.progress != null && (
          <progress value={media.progress} max={1} aria-label={recordingStatus.processing} />
        )}
      </div>
      {ready && (
        <a class="button" href={media.url} download={`${media.title}.mp4`} aria-label={gallery.download}>
          <DownloadIcon />
        </a>
      )}
      {playing && (
        <Dialog title={title} wide onClose={() => setPlaying(false)}>
          <div class="viewer">
            <video class="viewer-picture" src={media.url} controls autoPlay playsInline />
            <div class="viewer-bar">
              <span class="viewer-gap" />
              <button type="button" class="button" aria-label={gallery.close} onClick={() => setPlaying(false)}>
                <CloseIcon />
              </button>
            </div>
          </div>
        </Dialog>
      )}
    </div>
  );
}
