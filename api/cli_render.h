/* cli_render.h - a verdict, a domain's posture, a finding of the doctor, as people read them. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "service/doctor.h"

/* `document` is the JSON the API would answer with. Foreign text in it is made harmless. */
void render_verdict(FILE *out, const char *document, bool colours);
void render_domain(FILE *out, const char *name, const char *document, bool colours);
void render_finding(FILE *out, const struct doctor_finding *finding, bool colours);
