package main

import "time"

// scheduled is what both EventBridge's rules and its Scheduler send. A rule's
// detail is an object, the Scheduler's a string.
type scheduled struct {
	Version    string    `json:"version"`
	ID         string    `json:"id"`
	DetailType string    `json:"detail-type"`
	Source     string    `json:"source"`
	Account    string    `json:"account"`
	Time       time.Time `json:"time"`
	Region     string    `json:"region"`
	Resources  []string  `json:"resources"`
	Detail     any       `json:"detail"`
}

func rule() scheduled {
	return scheduled{
		Version:    "0",
		ID:         requestID,
		DetailType: "Scheduled Event",
		Source:     "aws.events",
		Account:    accountID,
		Time:       sentAt,
		Region:     region,
		Resources:  []string{"arn:aws:events:" + region + ":" + accountID + ":rule/omr-relay-warm-up"},
		Detail:     struct{}{},
	}
}

func scheduler() scheduled {
	event := rule()
	event.Source = "aws.scheduler"
	event.Resources = []string{"arn:aws:scheduler:" + region + ":" + accountID + ":schedule/default/omr-relay-warm-up"}
	event.Detail = "{}"
	return event
}

// warmUp is the whole payload of a schedule that has it as its Input.
type warmUp struct {
	WarmUp bool `json:"warmup"`
}

// sqsEvent stands for everything that the relay does not take.
type sqsEvent struct {
	Records []sqsRecord `json:"Records"`
}

type sqsRecord struct {
	MessageID         string            `json:"messageId"`
	ReceiptHandle     string            `json:"receiptHandle"`
	Body              string            `json:"body"`
	Attributes        map[string]string `json:"attributes"`
	MessageAttributes struct{}          `json:"messageAttributes"`
	MD5OfBody         string            `json:"md5OfBody"`
	EventSource       string            `json:"eventSource"`
	EventSourceARN    string            `json:"eventSourceARN"`
	AWSRegion         string            `json:"awsRegion"`
}

func sqs() sqsEvent {
	return sqsEvent{Records: []sqsRecord{{
		MessageID:     requestID,
		ReceiptHandle: "ExampleReceiptHandle",
		Body:          "{}",
		Attributes: map[string]string{
			"ApproximateFirstReceiveTimestamp": "1795255200000",
			"ApproximateReceiveCount":          "1",
			"SenderId":                         "AIDAEXAMPLE",
			"SentTimestamp":                    "1795255200000",
		},
		MD5OfBody:      "99914b932bd37a50b983c5e7c90ae93b",
		EventSource:    "aws:sqs",
		EventSourceARN: "arn:aws:sqs:" + region + ":" + accountID + ":example-queue",
		AWSRegion:      region,
	}}}
}
