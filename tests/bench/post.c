/*
 * post.c - what a receiver can take: POSTs from CLIENTS threads that do nothing else.
 *
 *   post URL CA CLIENTS REQUESTS
 *
 * Each thread has one libcurl handle with a kept connection, and a body of the size of a
 * usual event that is made once. So its rate is the ceiling for a sender of this kind on
 * this machine at this moment. Prints one JSON line.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODY 700

static const char *url, *ca;
static char body[BODY + 1];
static atomic_long left;
static atomic_uint failed;

static size_t swallow(char *data, size_t size, size_t n, void *ctx)
{
	(void)data, (void)ctx;
	return size * n;
}

static void *run(void *arg)
{
	CURL *c = curl_easy_init();
	struct curl_slist *h =
		curl_slist_append(NULL, "Content-Type: application/cloudevents+json");

	(void)arg;
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_CAINFO, ca);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 10L);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, swallow);
	while (atomic_fetch_sub(&left, 1) > 0)
		if (curl_easy_perform(c) != CURLE_OK)
			atomic_fetch_add(&failed, 1);
	curl_slist_free_all(h);
	curl_easy_cleanup(c);
	return NULL;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	pthread_t thread[256];
	int clients = argc == 5 ? atoi(argv[3]) : 0;
	long requests = argc == 5 ? atol(argv[4]) : 0;

	if (clients < 1 || clients > 256 || requests < 1) {
		fprintf(stderr, "usage: post URL CA CLIENTS(1..256) REQUESTS\n");
		return 2;
	}
	url = argv[1];
	ca = argv[2];
	memset(body, 'x', BODY);
	atomic_store(&left, requests);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	double began = seconds();
	for (int i = 0; i < clients; i++)
		if (pthread_create(&thread[i], NULL, run, NULL))
			return 2;
	for (int i = 0; i < clients; i++)
		pthread_join(thread[i], NULL);
	double took = seconds() - began;
	printf("{\"seconds\":%.6f,\"rate\":%.1f,\"failed\":%u}\n", took,
		took > 0 ? (double)requests / took : 0.0, atomic_load(&failed));
	return 0;
}
