// The page's requests to the sandbox. Every answer is JSON; a refusal becomes an ApiError with the server's own words.

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function request(method, path, { params = {}, body, signal } = {}) {
  const url = new URL(`/sandbox/${path}`, location.origin);
  for (const [key, value] of Object.entries(params)) url.searchParams.set(key, value);
  let response;
  try {
    response = await fetch(url, { method, body, signal, headers: { "X-Sandbox-Page": "1" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The sandbox cannot be reached.", 0);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(answer.error ?? `The sandbox answered ${response.status}.`, response.status);
  return answer;
}

/** One request as multipart: `payload` as JSON beside the files, which the payload names by their index. */
function form(payload, files = []) {
  const data = new FormData();
  data.append("payload_json", JSON.stringify(payload));
  files.forEach((file, index) => data.append(`files[${index}]`, file, file.name));
  return data;
}

export const api = {
  state: (member) => request("GET", "state", { params: { member } }),
  messages: (member, channel) => request("GET", `channels/${channel}/messages`, { params: { member } }),
  post: (member, channel, content, files) =>
    request("POST", `channels/${channel}/messages`, { params: { member }, body: form({ content }, files) }),
  remove: (member, channel, message) =>
    request("DELETE", `channels/${channel}/messages/${message}`, { params: { member } }),
  /** Resolves when the application has answered, or failed to: {error, modal, ephemeral}. */
  interact: (member, payload, files) =>
    request("POST", "interactions", { params: { member }, body: form(payload, files) }),
  autocomplete: (member, payload, signal) =>
    request("POST", "autocomplete", { params: { member }, body: form(payload), signal }),
};
