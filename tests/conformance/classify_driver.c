/* classify_driver.c - `vrfyd classify` alone, for scoring before the whole program is built. */
#include <stdio.h>

#include "service/classify_stream.h"

int main(void) { return classify_stream(stdin, stdout) == 0 ? 0 : 1; }
