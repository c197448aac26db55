// The handler tree on express: node express.cjs PORT STATIC_FOLDER (NODE_PATH names where express is installed)
"use strict";
const express = require("express");

const [port, folder] = process.argv.slice(2);

function said(handler) {
  return (request, response) => {
    response.set("x-handler", handler);
    response.set("x-saw", encodeURIComponent(request.originalUrl));
    response.type("text/plain").send(handler);
  };
}

const users = express.Router();
users.get("/", said("protected:users"));
users.get("/help", said("public:help"));
users.get("/:id", said("protected:users"));

const app = express();
app.disable("etag");
app.get("/", said("public:home"));
app.use("/admin", said("protected:admin"));
app.use("/public/private", said("protected:private"));
app.use("/api/v1/users", users);
app.get("/files/:name", said("public:file"));
app.use("/static", express.static(folder));
app.use(said("public:any"));
app.listen(Number(port), "127.0.0.1");
