import { RequesterCall } from "../views/requester";
import { mount } from "./mount";

mount("requester", RequesterCall);
