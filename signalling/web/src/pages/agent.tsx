import { AgentCall } from "../views/agent";
import { useSession } from "../views/context";
import { MeetingCall } from "../views/meeting";
import { mount } from "./mount";

/** The agent's link of a meeting is its moderator's. */
function Call() {
  return useSession().room?.kind === "meeting" ? <MeetingCall /> : <AgentCall />;
}

mount("agent", Call);
