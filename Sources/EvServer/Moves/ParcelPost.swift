package import EvLoop

/// The way to the mailboxes of the other workers of this server.
@LoopActor
package protocol ParcelPost: AnyObject {
    /// Where connections might go, by the number of the slot; not this worker itself.
    var siblings: [(number: Int, slot: ScoreboardSlot)] { get }
    /// Sends a packet at once, or not at all. Its descriptors may be closed when this returns.
    func send(_ packet: ParcelPacket, to number: Int) -> Packet.Sent
    /// Calls once, when a mailbox that was full takes packets again. The last one that asks is called.
    func whenTaking(_ number: Int, _ call: @escaping () -> Void)
}
