// Verifies as Clerk's documentation shows, with the secret in CLERK_WEBHOOK_SIGNING_SECRET, and responds.
import { verifyWebhook } from "@clerk/express/webhooks";
import express from "express";

const application = express();

// The default limit of 100 KB is less than the large delivery.
application.post(
  "/webhooks/clerk",
  express.raw({ type: "application/json", limit: "1mb" }),
  async (request, response) => {
    let event;
    try {
      event = await verifyWebhook(request);
    } catch {
      return response.sendStatus(400);
    }
    response.sendStatus(event.type === "user.created" ? 200 : 400);
  },
);

const server = application.listen(process.env.PORT ?? 0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/webhooks/clerk`);
});
