// The WebSocket that pushes changes. It reconnects for as long as the page is open and says so.

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 4000;

export class Live extends EventTarget {
  #member = null;
  #socket = null;
  #timer = null;
  #delay = FIRST_DELAY_MS;

  /** Follow what this member may see; a second call changes the member. Events: open, lost, change. */
  follow(member) {
    this.#member = member;
    this.#delay = FIRST_DELAY_MS;
    this.#connect();
  }

  /** Try at once instead of waiting for the next attempt. */
  retry() {
    this.#delay = FIRST_DELAY_MS;
    this.#connect();
  }

  #connect() {
    clearTimeout(this.#timer);
    const previous = this.#socket;
    this.#socket = null;
    previous?.close();
    const url = new URL("/sandbox/live", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("member", this.#member);
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#delay = FIRST_DELAY_MS;
      this.dispatchEvent(new Event("open"));
    };
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.dispatchEvent(new CustomEvent("change", { detail: JSON.parse(event.data) }));
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#lost();
    };
  }

  #lost() {
    this.#socket = null;
    this.dispatchEvent(new Event("lost"));
    this.#timer = setTimeout(() => this.#connect(), this.#delay);
    this.#delay = Math.min(this.#delay * 1.6, LONGEST_DELAY_MS);
  }
}
