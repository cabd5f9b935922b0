// What a process says as it crashes: the signal, the program's build id, and where it was, as addresses that
// packaging/symbolize turns into functions and lines. Only calls that a signal handler may make; the text is one write,
// so that it arrives as one message. What can not be found out is left out.
#define _GNU_SOURCE
#include "CLinux.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>

enum { FRAMES = 48, STACK = 32 << 10 };

static const char *program, *version;
static char build[2 * 32 + 1];
static uintptr_t base, end;
static char stack[STACK];

static char text[2048];
static size_t length;

static void put(const char *string) {
    while (*string && length < sizeof text - 1) text[length++] = *string++;
}

static void put_hex(uint64_t number) {
    char digits[19] = "0x";
    int count = 2;
    for (int shift = 60; shift >= 0; shift -= 4)
        if (number >> shift || shift == 0) digits[count++] = "0123456789abcdef"[number >> shift & 15];
    digits[count] = 0;
    put(digits);
}

static void put_decimal(long number) {
    char digits[20];
    int at = sizeof digits - 1;
    digits[at] = 0;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    put(digits + at);
}

// Addresses in the program itself are said as the file has them; others, those of libraries, as they are.
static void put_address(uintptr_t address) {
    put(" ");
    if (address >= base && address < end) {
        put("+");
        address -= base;
    }
    put_hex(address);
}

// Reads memory that may not be there.
static int read_words(uintptr_t address, uintptr_t *words, size_t count) {
    struct iovec here = {words, count * sizeof *words}, there = {(void *)address, count * sizeof *words};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)here.iov_len;
}

static void put_frames(const ucontext_t *context) {
#if defined(__x86_64__)
    uintptr_t counter = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    uintptr_t frame = (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    uintptr_t counter = (uintptr_t)context->uc_mcontext.pc;
    uintptr_t frame = (uintptr_t)context->uc_mcontext.regs[29];
#else
    uintptr_t counter = 0, frame = 0;
#endif
    put_address(counter);
    // Every frame begins with the address of the one before it and where that goes on. Stacks grow downwards.
    for (int number = 0; number < FRAMES && frame != 0 && frame % sizeof frame == 0; number++) {
        uintptr_t words[2];
        if (!read_words(frame, words, 2) || words[1] == 0) return;
        // The call is the instruction before the one that it returns to.
        put_address(words[1] - 1);
        if (words[0] <= frame) return;
        frame = words[0];
    }
}

static void crashed(int number, siginfo_t *information, void *context) {
    const char *name = sigabbrev_np(number);
    length = 0;
    put(program);
    put(" ");
    put(version);
    put(" crashed: SIG");
    put(name ? name : "?");
    if (information->si_code > 0) {
        put(" at address ");
        put_hex((uintptr_t)information->si_addr);
    } else {
        put(" from process ");
        put_decimal(information->si_pid);
    }
    put("; build id ");
    put(build[0] ? build : "unknown");
    put("; frames");
    put_frames(context);
    put("\n");
    (void)!write(STDERR_FILENO, text, length);
    // It ends as it would have: at the same instruction, or by the signal that was sent, which no longer has a handler.
    if (information->si_code <= 0) raise(number);
}

// The first object is the program.
static int look(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size, (void)unused;
    base = object->dlpi_addr;
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[index];
        uintptr_t start = base + part->p_vaddr;
        if (part->p_type == PT_LOAD && start + part->p_memsz > end) end = start + part->p_memsz;
        if (part->p_type != PT_NOTE) continue;
        for (uintptr_t at = start; at + sizeof(ElfW(Nhdr)) <= start + part->p_memsz;) {
            const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
            const unsigned char *name = (const unsigned char *)(note + 1);
            const unsigned char *bytes = name + (note->n_namesz + 3) / 4 * 4;
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0)
                for (size_t byte = 0; byte < note->n_descsz && 2 * byte + 2 < sizeof build; byte++) {
                    build[2 * byte] = "0123456789abcdef"[bytes[byte] >> 4];
                    build[2 * byte + 1] = "0123456789abcdef"[bytes[byte] & 15];
                }
            at = (uintptr_t)(bytes + (note->n_descsz + 3) / 4 * 4);
        }
    }
    return 1;
}

void apus_report_crashes(const char *name, const char *apus_version) {
    static const int signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    struct sigaction action = {.sa_sigaction = crashed, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
    // A stack that has overflown has no room for the handler; this is the main thread's.
    stack_t room = {.ss_sp = stack, .ss_size = sizeof stack};
    program = strdup(name);
    version = strdup(apus_version);
    if (program == NULL || version == NULL) return;
    dl_iterate_phdr(look, NULL);
    sigaltstack(&room, NULL);
    sigemptyset(&action.sa_mask);
    for (size_t index = 0; index < sizeof signals / sizeof *signals; index++) sigaction(signals[index], &action, NULL);
}
