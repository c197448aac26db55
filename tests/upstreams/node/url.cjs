// The handler tree on Node's http alone, routed by the URL class as browsers read it: node url.cjs PORT STATIC_FOLDER
"use strict";
const http = require("node:http");
const fs = require("node:fs");
const path = require("node:path");

const [port, folder] = process.argv.slice(2);

function under(place, prefix) {
  return place === prefix || place.startsWith(`${prefix}/`);
}

function route(place) {
  if (place === "/") return "public:home";
  if (under(place, "/admin")) return "protected:admin";
  if (under(place, "/public/private")) return "protected:private";
  if (place === "/api/v1/users/help") return "public:help";
  if (under(place, "/api/v1/users")) return "protected:users";
  if (under(place, "/files")) return "public:file";
  return "public:any";
}

http
  .createServer((request, response) => {
    let place;
    try {
      place = decodeURIComponent(new URL(request.url, "http://upstream").pathname);
    } catch {
      response.writeHead(400).end("malformed");
      return;
    }
    response.setHeader("x-saw", encodeURIComponent(place));
    if (under(place, "/static")) {
      const name = path.join(folder, place.slice("/static".length));
      if (name.startsWith(folder) && !name.includes("\0") && fs.statSync(name, { throwIfNoEntry: false })?.isFile()) {
        response.end(fs.readFileSync(name));
        return;
      }
    }
    const handler = route(place);
    response.setHeader("x-handler", handler);
    response.end(handler);
  })
  .listen(Number(port), "127.0.0.1");
