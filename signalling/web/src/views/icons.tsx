/** The icons, drawn on a 24 × 24 grid in the colour of the text around them. */

import type { ComponentChildren, VNode } from "preact";

type Icon = () => VNode;

function icon(children: ComponentChildren): Icon {
  return () => (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

const SLASH = <path d="M4 4l16 16" />;

export const MicIcon = icon(
  <>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </>,
);
export const MicOffIcon = icon(
  <>
    <path d="M15 10V6a3 3 0 0 0-5.7-1.3M9 9v2a3 3 0 0 0 4.6 2.5M5.5 11.5a6.5 6.5 0 0 0 10.6 5M18.5 11.5c0 .8-.1 1.5-.4 2.2M12 18v3" />
    {SLASH}
  </>,
);
export const CameraIcon = icon(
  <>
    <rect x="2.5" y="6" width="13" height="12" rx="3" />
    <path d="M15.5 10.5l6-3v9l-6-3" />
  </>,
);
export const CameraOffIcon = icon(
  <>
    <path d="M9.5 6h3a3 3 0 0 1 3 3v3.5l6 4v-9l-5 2.5M15.3 16A3 3 0 0 1 12.5 18h-7a3 3 0 0 1-3-3V9a3 3 0 0 1 3-3" />
    {SLASH}
  </>,
);
export const SwitchIcon = icon(
  <>
    <path d="M4 9.5A8.5 8.5 0 0 1 19.5 8M20 14.5A8.5 8.5 0 0 1 4.5 16" />
    <path d="M20 3.5V8h-4.5M4 20.5V16h4.5" />
    <circle cx="12" cy="12" r="2.5" />
  </>,
);
export const HangUpIcon = icon(
  <path
    class="filled"
    d="M12 9c-3 0-5.9.7-8.3 2.1-1.3.8-1.9 2.1-1.6 3.5l.3 1.3c.2.8.9 1.2 1.7 1l3-.8c.7-.2 1.2-.8 1.2-1.5v-1.7a13 13 0 0 1 7.4 0v1.7c0 .7.5 1.3 1.2 1.5l3 .8c.8.2 1.5-.2 1.7-1l.3-1.3c.3-1.4-.3-2.7-1.6-3.5C17.9 9.7 15 9 12 9Z"
  />,
);
export const PhotoIcon = icon(
  <>
    <path d="M4 8h3l1.6-2.5h6.8L17 8h3a1.5 1.5 0 0 1 1.5 1.5v9A1.5 1.5 0 0 1 20 20H4a1.5 1.5 0 0 1-1.5-1.5v-9A1.5 1.5 0 0 1 4 8Z" />
    <circle cx="12" cy="13.5" r="3.7" />
  </>,
);
export const RecordIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.5" />
    <circle class="filled" cx="12" cy="12" r="4.5" />
  </>,
);
export const StopIcon = icon(
  <>
    <circle cx="12" cy="12" r="8.5" />
    <rect class="filled" x="8.5" y="8.5" width="7" height="7" rx="1.5" />
  </>,
);
export const SoundIcon = icon(
  <path d="M4 9.5v5h3.5L12 19V5L7.5 9.5H4ZM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />,
);
export const PositionIcon = icon(
  <>
    <path d="M12 21.5s7-6.3 7-11.7a7 7 0 0 0-14 0c0 5.4 7 11.7 7 11.7Z" />
    <circle cx="12" cy="9.8" r="2.5" />
  </>,
);
export const PlayIcon = icon(<path class="filled" d="M8 5.5v13l10.5-6.5L8 5.5Z" />);
export const DownloadIcon = icon(<path d="M12 4v11M7.5 11l4.5 4.5 4.5-4.5M4.5 19.5h15" />);
export const CloseIcon = icon(<path d="M6 6l12 12M18 6L6 18" />);
export const NextIcon = icon(<path d="M9 5l7 7-7 7" />);
export const PreviousIcon = icon(<path d="M15 5l-7 7 7 7" />);
export const SwapIcon = icon(<path d="M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7" />);
export const WarningIcon = icon(<path d="M12 4L2.5 20h19L12 4ZM12 10v4.5M12 17.2v.1" />);
export const EyeIcon = icon(
  <>
    <path d="M2.5 12C5.4 7 8.5 5 12 5s6.6 2 9.5 7c-2.9 5-6 7-9.5 7s-6.6-2-9.5-7Z" />
    <circle cx="12" cy="12" r="3" />
  </>,
);
