// The rows about requests that are held for apps.

extension Setting {
    static let gripRows = [
        Setting(
            "grip", "--grip", off: "--no-grip", .holding, .toggle(\.grip),
            "An app may answer with GRIP's instructions, by which this server holds the request.",
            details: "Grip-Hold, Grip-Channel and the other fields that Pushpin follows: the request then waits "
                + "without a thread, a greenlet or a task for what is published on its channels (--publish-bind, or "
                + "evgateway.publish). Fields of these names that clients send are taken away. Off by default, because "
                + "an app behind a Pushpin answers to that."),
        Setting(
            "grip_key", "--grip-key", .holding, .text(\.gripKey), value: "text", secret: true,
            "The key by which apps know that a request came through here: Grip-Sig is signed with it.",
            details: "Text, or base64:TEXT. Without one, the token in Grip-Sig is not signed. Better in the "
                + "environment, as EVGATEWAY_GRIP_KEY."),
        Setting(
            "grip_iss", "--grip-iss", .holding, .text(\.gripIssuer), value: "text",
            "The issuer that Grip-Sig names."),
    ]
}
