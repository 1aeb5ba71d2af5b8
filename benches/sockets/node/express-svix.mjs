// Verifies as Svix's documentation shows, and responds.
import express from "express";
import { Webhook } from "svix";

const webhook = new Webhook(process.env.CLERK_WEBHOOK_SIGNING_SECRET);
const application = express();

// The default limit of 100 KB is less than the large delivery.
application.post("/webhooks/clerk", express.raw({ type: "application/json", limit: "1mb" }), (request, response) => {
  try {
    webhook.verify(request.body, request.headers);
  } catch {
    return response.sendStatus(400);
  }
  const event = JSON.parse(request.body);
  response.sendStatus(event.type === "user.created" ? 200 : 400);
});

const server = application.listen(process.env.PORT ?? 0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/webhooks/clerk`);
});
