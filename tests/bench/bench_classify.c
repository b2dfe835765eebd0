/* bench_classify.c - replies a second on one core, with names of ours to look for, as in a session.
 * CPU time, so that other work on the machine does not count. The mix is what RCPT brings: half
 * short texts of common servers, the rest Google's long ones, refusals of us, and odd ones. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "probes/base/mem.h"
#include "probes/smtp/classify.h"

enum { ROUNDS = 200000 };
#define TARGET 400000.0

static const struct sample {
    uint16_t code;
    uint8_t enhanced[3];
    const char *text;
} samples[] = {
    {250, {2, 1, 5}, "2.1.5 Ok"},
    {550,
     {5, 1, 1},
     "5.1.1 <jane.doe@customer.example>: Recipient address rejected: User unknown "
     "in virtual mailbox table"},
    {550, {0, 0, 0}, "No Such User Here"},
    {550,
     {5, 1, 1},
     "5.1.1 The email account that you tried to reach does not exist. Please try\n"
     "5.1.1 double-checking the recipient's email address for typos or\n"
     "5.1.1 unnecessary spaces. For more information, go to\n"
     "5.1.1  https://support.example.com/mail/?p=NoSuchUser a640c23a62f3a - gsmtp"},
    {450,
     {4, 2, 0},
     "4.2.0 <jane.doe@customer.example>: Recipient address rejected: Greylisted, "
     "see http://postgrey.example/help/customer.example.html"},
    {554,
     {5, 7, 1},
     "5.7.1 Service unavailable; Client host [198.51.100.77] blocked using "
     "zen.spamhaus.org; https://www.spamhaus.org/query/ip/198.51.100.77"},
    {452,
     {4, 2, 2},
     "4.2.2 The recipient's inbox is out of storage space. Please direct the\n"
     "4.2.2 recipient to\n"
     "4.2.2  https://support.example.com/mail/?p=OverQuotaTemp a640c23a - gsmtp"},
    {550,
     {5, 4, 1},
     "5.4.1 Recipient address rejected: Access denied. For more information see "
     "https://aka.example/EXOSmtpErrors [BN1NAM02FT051.eop-nam02.prod.example "
     "2026-11-22T10:00:00.000Z 08DD4D9FD5AFF45C]"},
    {421, {4, 7, 0}, "4.7.0 mx.customer.example Error: too many errors"},
    {550, {0, 0, 0}, "Something that nobody has seen before happened to this message"},
};

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(void)
{
    const struct reply_context context = {.stage = SMTP_STAGE_RCPT,
                                          .recipient = "jane.doe@customer.example",
                                          .mail_from = "check@probe.example.net",
                                          .our_address = "198.51.100.77",
                                          .our_name = "scan.probe.example.net",
                                          .server_host = "mx.customer.example"};
    unsigned counts[REPLY_CLASS_COUNT] = {0};
    size_t octets = 0;

    reply_classify(250, NULL, "", &context); /* reads the rules */
    double start = cpu_seconds();
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ARRAY_LENGTH(samples); i++)
            counts[reply_classify(samples[i].code, samples[i].enhanced, samples[i].text, &context)
                       .class]++;
    }
    double seconds = cpu_seconds() - start;
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++)
        octets += strlen(samples[i].text);
    double rate = (double)ROUNDS * ARRAY_LENGTH(samples) / seconds;
    printf("classify: %.0f replies/s on one core, %zu octets on average (target %.0f): %s\n", rate,
           octets / ARRAY_LENGTH(samples), TARGET, rate >= TARGET ? "ok" : "BELOW TARGET");
    return counts[REPLY_MAILBOX_NOT_FOUND] == 4 * ROUNDS ? 0 : 1;
}
