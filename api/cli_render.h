/* cli_render.h - a verdict or a domain's posture as a block that people read. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* `document` is the JSON the API would answer with. Foreign text in it is made harmless. */
void render_verdict(FILE *out, const char *document, bool colours);
void render_domain(FILE *out, const char *name, const char *document, bool colours);
