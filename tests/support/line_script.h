/* line_script.h - short words for the steps of a scripted server. */
#pragma once

#include "tests/support/line_server.h"

/* One line of the server's, and one that it must hear. */
#define SAY(words)                                                                                 \
    {                                                                                              \
        STEP_SEND, words "\r\n", 0                                                                 \
    }
#define HEAR(words)                                                                                \
    {                                                                                              \
        STEP_EXPECT, words, 0                                                                      \
    }
#define NEXT                                                                                       \
    {                                                                                              \
        STEP_NEXT, NULL, 0                                                                         \
    }
#define END                                                                                        \
    {                                                                                              \
        STEP_END, NULL, 0                                                                          \
    }
