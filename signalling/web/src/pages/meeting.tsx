import { MeetingCall } from "../views/meeting";
import { mount } from "./mount";

mount("meeting", MeetingCall);
