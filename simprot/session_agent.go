package simprot

import (
	"context"

	"github.com/google/uuid"
)

// The questions of an agent's client (ClientConfig.Agent). Errors: see Resync.

// AgentResync asks for the chats of the workplace. On a core without fence it
// first waits until Settle has passed since this session began: what an
// earlier connection left on its way is then stored, or lost.
func (s *Session) AgentResync(ctx context.Context, agent uuid.UUID) (ChatStatusList, error) {
	if !s.welcome.Fences {
		if err := s.settle(ctx); err != nil {
			return nil, err
		}
	}
	return payload[ChatStatusList](s.ask(ctx, &question{
		code: CodeAgentResync, times: 2, payload: &ChatCommandInfo{AgentId: &agent},
	}))
}

// AgentStatus asks for a chat's state and sentences.
func (s *Session) AgentStatus(ctx context.Context, chat, agent uuid.UUID) (*ChatStatusInfo, error) {
	return s.askAgent(ctx, CodeAgentStatusAsk, chat, agent)
}

// AgentAnswer takes a chat. The agent has it when the Status that comes back
// is StatusAnswered and the AgentId the agent's.
func (s *Session) AgentAnswer(ctx context.Context, chat, agent uuid.UUID) (*ChatStatusInfo, error) {
	return s.askAgent(ctx, CodeAgentAnswer, chat, agent)
}

// AgentHangup turns a chat down that alerts, and ends one that is answered.
func (s *Session) AgentHangup(ctx context.Context, chat, agent uuid.UUID) (*ChatStatusInfo, error) {
	return s.askAgent(ctx, CodeAgentHangup, chat, agent)
}

func (s *Session) askAgent(ctx context.Context, code Code, chat, agent uuid.UUID) (*ChatStatusInfo, error) {
	return payload[*ChatStatusInfo](s.ask(ctx, &question{
		code: code, times: 2, about: name(chat),
		payload: &ChatCommandInfo{ChatId: &chat, AgentId: &agent},
	}))
}
