// What segue.js gives a page. docs/page.md has the whole.

/** Texts of the line at the foot of the page. */
export interface Texts {
  /** "A new version is available." */
  release?: string;
  /** The button: "Reload" */
  reload?: string;
  /** The name of the button that closes the line: "Dismiss" */
  dismiss?: string;
  /** "One moment – we are back in {seconds} s" */
  wait?: string;
  /** While it is asked again: "One moment …" */
  asking?: string;
}

export interface Options {
  /** Where server-sent events come from; default "/.segue/events". */
  events?: string;
  /** The release that the page is of; default: Server-Timing or the cookie segue-release say it. */
  release?: string;
  /** Show a line when there is a new release; default false. */
  notice?: boolean;
  /** Stand in front of fetch and XMLHttpRequest; default true. */
  requests?: boolean;
  /** For how many seconds a request waits out 503 with Retry-After; default 120, 0 for not at all. */
  wait?: number;
  /** Reload by itself for a breaking release; default true. */
  reload?: boolean;
  /** Put back what was typed as soon as the page is there; default true. With false the page calls restore(). */
  restore?: boolean;
  /** Seconds over which the tabs of all users reload; default 5. */
  spread?: number;
  texts?: Texts;
}

export interface Handle {
  /** The release that the page is of; "" while nothing has said it. */
  readonly release: string;
  /** The newest release that was announced; "" before. */
  readonly current: string;
  /** Keeps what was typed and reloads; false if it could not be kept, and then does nothing. */
  reload(): boolean;
  /** Puts back what was kept for this address; false if there is nothing. */
  restore(): boolean;
  /** Ends all that connect has begun. */
  close(): void;
}

/** Begins to keep the page up with its service; a second call gives the first one's handle. */
export function connect(options?: Options): Handle;

export interface Release {
  from: string;
  to: string;
  /** The breaking release that lies between them; "" if the page can stay as it is. */
  breaking: string;
}

declare global {
  interface RequestInit {
    /** "wait": the request may be repeated, and waits out a 503; "off": segue.js leaves it alone. */
    segue?: "wait" | "off";
  }
  interface Window {
    /** Of the script tag; with data-manual it has connect alone. */
    segue?: Handle | { connect: typeof connect };
  }
  interface WindowEventMap {
    /** There is another release; preventDefault keeps the line away. */
    "segue:release": CustomEvent<Release>;
    /** The page is about to reload; preventDefault puts it off until detail.resume(). */
    "segue:reload": CustomEvent<Release & { resume(): void }>;
    /** The page should reload and cannot, as what was typed cannot be kept. */
    "segue:stuck": CustomEvent<Release>;
    "segue:restored": CustomEvent<{
      /** What was filled, with what the page had in it. */
      fields: { element: Element; served: unknown }[];
      /** What has no field any more. */
      missing: { id: string; name: string; content: unknown }[];
    }>;
    /** Each second while requests wait; preventDefault keeps the line away. */
    "segue:wait": CustomEvent<{ seconds: number }>;
    /** Nothing waits any longer. */
    "segue:back": CustomEvent<object>;
    /** Flags have changed: fetch them again. */
    "segue:flags": CustomEvent<{ etag: string }>;
    "segue:maintenance": CustomEvent<{ closed: "" | "writes" | "all"; why: string }>;
  }
}
