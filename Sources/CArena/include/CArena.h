// The lasting memory of a listener: its layout, version 4.
//
// The supervisor makes a memfd of this shape for every listener and keeps it; the listener maps it. Everything that
// must outlive the process lies here as plain data: a slot for each connection, buffers named by offset, the frames
// that the router has not acknowledged, what was received and not yet parsed. A change of any of it is a new layout
// (Messages/Layout.swift): it takes what is spare here, moves nothing, and Arena/Convert.swift fills it in.
//
// Exactness (a process may die between any two stores): a *step* changes one connection. It saves the slot, marks the
// step, makes the system call, changes the state; one store commits it. A *batch* applies the router's output to many
// slots: the hot bytes of each are saved at first touch, one behind the other, and the batch's epoch tells which slots it
// has touched. What else either changes in place is saved in the undo region before. Only committed bytes are ever sent.
// A successor completes what was committed, undoes what was not (Recover.swift), and does it again.
#pragma once

#include <stdint.h>

#define APUS_ARENA_MAGIC 0x616E657261737061ull // "apusarena", as eight bytes
#define APUS_ARENA_VERSION 4u
#define APUS_BUFFER_UNIT 256u // buffers are named by their offset in units of this; class 0 has this size

// The part of a slot that changes with every packet: one cache line. A batch saves it before it changes it.
typedef struct {
    uint32_t generation;   // of the connection in this slot; stored last when it opens
    uint8_t state;         // ConnectionState
    uint8_t version;       // MQTT protocol level: 3, 4, 5; 0 before CONNECT or for JSON
    uint8_t transport;     // Transport
    uint8_t flags;         // SlotFlags
    uint64_t received;     // bytes taken from the socket
    uint64_t produced;     // bytes committed for output
    uint64_t sent;         // bytes given to the socket
    uint32_t input;        // buffer of the bytes that wait for the rest of their packet; 0: none
    uint32_t input_length; // plain bytes in it (MQTT, or the JSON message so far)
    uint32_t output;        // buffer of the bytes produced - sent; 0: none
    uint32_t output_origin; // total offset of the first byte in it, its lower half
    uint8_t input_class;   // size classes of the two buffers
    uint8_t output_class;
    uint8_t output_hint;   // class that the last output needed
    uint8_t aliases_given; // topic aliases that the broker has given on this connection: 1 up to this one
    uint32_t epoch;        // the batch that touched the slot last
    uint32_t raw_length;   // bytes of WebSocket frames that are not taken apart, which lie behind the plain ones
    uint16_t receive_window; // QoS 1 and 2 PUBLISH packets that the client may still send (MQTT 5)
    uint16_t outstanding;    // QoS 1 and 2 deliveries that the client has not finally acknowledged
} apus_slot_hot;

// Bytes that come in at one end of a buffer and leave at the other.
typedef struct {
    uint32_t buffer; // 0: none
    uint32_t size_class;
    uint32_t start, end;
} apus_fifo;

// What only some connections have, in a buffer of its own. Changed in place, behind a copy in the undo region.
typedef struct {
    uint32_t epoch; // the step or batch that saved it last
    uint32_t flags; // RecordFlags
    apus_fifo requests;   // JSON: the Id of each request that the router has not answered: u32 length, bytes
    apus_fifo deliveries; // JSON: u64 end in the output, u64 packet identifier of each that TCP has not acknowledged
    apus_fifo connect;       // the CONNECT frame that the router accepted, where the slot does not say it all
    apus_fifo subscriptions; // of a session that ends with the connection: u32 length, u32 identifier, u8 options, filter
    apus_fifo window;        // of a session that outlives it: u16 packet identifier of each outstanding delivery, in order
    apus_fifo note, list;    // what the router wants to hear again when it is another one
    apus_fifo authentication; // the AuthRequest under way; of a client with a method, that the last one had
} apus_record;

// The rest of a slot.
typedef struct {
    uint64_t accept_number;
    uint64_t peer_high, peer_low; // PeerAddress
    uint16_t peer_port;
    uint16_t keep_alive;       // seconds; 0: none
    uint16_t last_packet_id;   // of the last QoS 1 or 2 delivery
    uint16_t client_id_length;
    uint32_t client_id_overflow; // buffer of a client id that is longer than the field below
    uint32_t aliases;            // buffer of the topic alias table; 0: none
    uint8_t client_id_class, alias_class;
    uint8_t close_reason;      // MQTT 5 reason code of the end
    uint8_t record_class;
    uint32_t last_input;       // tenths of a second of the loop's clock at which the client last gave a sign of life
    uint32_t opened;           // tenths of a second of the loop's clock at which the connection was accepted
    uint32_t last_ping;        // tenths at which the server last sent a WebSocket ping
    uint32_t maximum_packet_size; // what the client accepts; 0: anything
    uint32_t given_aliases;    // buffer of the topics that have an alias of the broker's; 0: none
    uint64_t ws_machine;       // MessageMachine
    uint64_t ws_remaining;     // payload bytes of the frame under way that have not come
    uint32_t ws_key;           // its mask, turned to the next byte
    uint8_t ws_text, ws_final; // it is part of a text message; it ends its message
    uint8_t given_class;       // its size class
    uint8_t aliases_allowed;   // how many aliases the broker may give
    uint32_t epoch;  // the batch that saved this part last
    uint32_t record; // buffer of the apus_record; 0: none
    uint8_t client_id[24];
    uint64_t spare;      // zero: for layouts to come
} apus_slot_cold;

typedef struct {
    apus_slot_hot hot;
    apus_slot_cold cold;
} apus_slot;

// A slot as it was before the batch under way changed it.
typedef struct {
    uint64_t slot;
    apus_slot_hot hot;
} apus_preimage;

// How far the stream of another listener has had its effect on this one.
typedef struct {
    uint64_t place;
    uint64_t offset;
} apus_mark;

// How far a step or a batch is: what it has changed is undone while it is under way, and completed once it is committed.
enum { APUS_IDLE = 0, APUS_UNDER_WAY = 1, APUS_COMMITTED = 2 };

typedef struct {
    uint64_t magic;
    uint32_t version; // Layout
    uint32_t slot_count;
    uint64_t slots_used; // slots from this one on never had a connection
    uint64_t byte_count;
    // Where the regions lie, in bytes from the start.
    uint64_t slots, preimages, undo, raw, plain, marks, queue, batch, buffers;
    uint64_t undo_bytes, raw_bytes, plain_bytes, marks_bytes, queue_bytes, batch_bytes, buffers_bytes;

    // The stream to the router. The byte with total offset t lies at queue + (t - queue_origin).
    uint64_t queue_origin;
    uint64_t queue_acknowledged; // safe whatever dies: forgotten here
    uint64_t queue_answered;     // handled by the router, and its answers that could be given at once applied
    uint64_t queue_sent;
    uint64_t queue_produced;

    // The stream from the router. The byte with total offset t lies at batch + (t - batch_origin).
    uint64_t batch_origin;
    uint64_t batch_applied;
    uint64_t batch_received;
    uint32_t batch_epoch; // counts steps and batches
    uint32_t batch_phase;
    uint64_t batch_touched; // pre-images of the batch under way
    uint64_t batch_next_applied, batch_next_queue; // what its commit makes of batch_applied and queue_produced
    uint64_t batch_next_answered, batch_next_released; // of queue_answered and queue_acknowledged
    // Where in it, counted from its first byte, frames stand that its commit puts in force; 0: there is none.
    uint32_t batch_marks, batch_deferred, batch_completed;
    uint32_t batch_reading;  // the channel is being read: how far is known when that is done
    uint32_t router_greeted; // the router has said Hello on this channel
    uint32_t channel;        // its serial number
    uint64_t marks_count;    // of other listeners' streams it is known how far they have had their effect here
    uint64_t channel_prelude; // bytes that went to the router on this channel before the stream went on
    uint64_t channel_start;   // the offset at which it went on

    // What the step or batch under way has saved in the undo region.
    uint64_t undo_end;

    // The step under way.
    uint32_t step_phase;
    uint32_t step_slot;
    uint64_t step_next_queue; // what its commit makes of queue_produced
    uint64_t step_read;       // where its socket is read to: APUS_READ_NONE, APUS_READ_RAW, or a buffer
    uint64_t step_read_offset;
    apus_slot step_preimage;

    // The step that a death has interrupted last, and how often: input that kills is not tried for ever.
    uint32_t fault_slot, fault_generation, fault_count, fault_spare;
    uint64_t fault_received;
} apus_arena_header;

// Values of step_read that are no buffer.
#define APUS_READ_NONE 0u
#define APUS_READ_RAW 0xFFFFFFFFu

_Static_assert(sizeof(apus_slot_hot) == 64, "a slot's hot part is one cache line");
_Static_assert(sizeof(apus_slot) == 192, "a slot is three cache lines");
_Static_assert(sizeof(apus_record) <= APUS_BUFFER_UNIT, "a record fits into the smallest buffer");
_Static_assert(sizeof(apus_arena_header) <= 4096, "the header is one page");

// Keeps the compiler from moving stores over this point. Death is a cut in program order, so that is all it takes.
static inline void apus_barrier(void) { __asm__ volatile("" ::: "memory"); }
