/* embed.h - a data file inside the program, as bytes closed by a NUL.
 *
 * The path is looked up from the root, where make runs; whoever embeds a file tells make so
 * (see probes/smtp/smtp.mk), for the compiler does not. */
#pragma once

#include <stddef.h>

/* Defines `symbol` (const char[]) and `symbol_end`, which points at the closing NUL. */
#define EMBED_FILE(symbol, path)                                                                   \
    __asm__(".pushsection .rodata\n"                                                               \
            ".balign 16\n"                                                                         \
            ".global " #symbol "\n"                                                                \
            ".hidden " #symbol "\n"                                                                \
            ".type " #symbol ", @object\n" #symbol ":\n"                                           \
            ".incbin \"" path "\"\n"                                                               \
            ".global " #symbol "_end\n"                                                            \
            ".hidden " #symbol "_end\n" #symbol "_end:\n"                                          \
            ".byte 0\n"                                                                            \
            ".popsection\n")

/* Declares what EMBED_FILE defines, for the file that reads it. */
#define EMBEDDED_FILE(symbol)                                                                      \
    extern const char symbol[] __attribute__((visibility("hidden")));                              \
    extern const char symbol##_end[] __attribute__((visibility("hidden")))
